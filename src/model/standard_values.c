/* Networks that predict numbers learn them standardised: output = (value - mean) / deviation. The classifier's weights
 * absorb that, W' = deviation W and b' = deviation b + mean, so that what is saved gives values in the units of the
 * data wherever it is loaded. The error is that of rounding W' and b' to fp32. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/model_internal.h"
#include "thaw/memory.h"

/* The output that value i of a parameter of the classifier belongs to. */
static int64_t output_of(const struct thaw_param *p, int64_t i, int64_t outputs)
{
	return p->layout == THAW_LAYOUT_CONV ? i % outputs : i / (thaw_shape_count(&p->shape) / outputs);
}

/* Multiplies by the deviation and adds the mean, or the reverse. */
static void transform(struct thaw_graph *g, const double *mean, const double *deviation, bool to_units)
{
	const struct thaw_node *head = &g->nodes[g->head];
	int64_t outputs = g->params[head->params[0]].file_shape.dim[0];
	for (int k = 0; k < head->param_count; k++) {
		struct thaw_param *p = &g->params[head->params[k]];
		int64_t n = thaw_shape_count(&p->shape);
		for (int64_t i = 0; i < n; i++) {
			int64_t o = output_of(p, i, outputs);
			double shift = p->role == THAW_ROLE_BIAS ? mean[o] : 0.0;
			p->data[i] = (float)(to_units ? p->data[i] * deviation[o] + shift
						      : (p->data[i] - shift) / deviation[o]);
		}
	}
}

void thaw_model_to_units(struct thaw_model *m)
{
	if (m->value_mean)
		transform(m->graph, m->value_mean, m->value_deviation, true);
	thaw_free(m->value_mean);
	thaw_free(m->value_deviation);
	m->value_mean = m->value_deviation = NULL;
}

static double *copy_doubles(const double *from, int64_t n)
{
	double *copy = thaw_alloc((size_t)n, sizeof(*copy));
	if (copy)
		memcpy(copy, from, (size_t)n * sizeof(*copy));
	return copy;
}

/* Between the classifier and the output there may be only what keeps scores as they are: with a bias, and without
 * activations and scales. */
static thaw_status check_head(const struct thaw_model *m)
{
	const struct thaw_graph *g = m->graph;
	const struct thaw_node *head = &g->nodes[g->head];
	if (head->param_count < 2 || g->params[head->params[1]].role != THAW_ROLE_BIAS)
		return thaw_fail(THAW_CONFIG, "the classifier has no bias, which numbers need: %s: use another network",
				 m->variant);
	return THAW_OK;
}

thaw_status thaw_model_standardise(struct thaw_model *m, const double *mean, const double *deviation, bool unfold)
{
	THAW_TRY(check_head(m));
	thaw_free(m->value_mean);
	thaw_free(m->value_deviation);
	m->value_mean = copy_doubles(mean, m->classes);
	m->value_deviation = copy_doubles(deviation, m->classes);
	if (!m->value_mean || !m->value_deviation)
		return THAW_RESOURCE;
	if (unfold)
		transform(m->graph, mean, deviation, false);
	return THAW_OK;
}

thaw_status thaw_model_copy_in_units(struct thaw_model *copy, const struct thaw_model *m)
{
	*copy = *m;
	copy->graph = thaw_graph_copy(m->graph);
	if (!copy->graph)
		return THAW_RESOURCE;
	struct thaw_graph *g = copy->graph;
	const struct thaw_node *head = &g->nodes[g->head];
	for (int k = 0; k < head->param_count; k++) {
		struct thaw_param *p = &g->params[head->params[k]];
		size_t bytes = (size_t)thaw_shape_count(&p->shape) * sizeof(float);
		float *own = thaw_alloc(bytes, 1);
		if (!own) {
			thaw_graph_destroy(g);
			return THAW_RESOURCE;
		}
		memcpy(own, p->data, bytes);
		p->own = p->data = own;
	}
	transform(g, m->value_mean, m->value_deviation, true);
	return THAW_OK;
}
