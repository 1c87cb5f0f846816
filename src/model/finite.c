/* Damaged weights: values that are not numbers or infinite. */
#include <math.h>

#include "src/model/model_internal.h"

thaw_status thaw_model_check_finite(const struct thaw_graph *g, const char *source)
{
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		const int64_t count = thaw_shape_count(&p->shape);
		for (int64_t k = 0; k < count; k++)
			if (!isfinite(p->data[k]))
				return thaw_fail(THAW_DATA,
						 "damaged weights: tensor %s has %s: %s: use the file of an earlier "
						 "epoch, or another copy",
						 p->name, isnan(p->data[k]) ? "NaN" : "infinite values", source);
	}
	return THAW_OK;
}
