/* Names of a ConvNeXt's layers. */
#include "src/model/families/convnext.h"

#include <stdio.h>

const char *thaw_convnext_trunk(char *text, const struct thaw_convnext *v, const char *layer)
{
	snprintf(text, THAW_LAYER_NAME, "%s%s", v->prefix, layer);
	return text;
}

const char *thaw_convnext_in_block(char *text, const struct thaw_convnext *v, int stage, int block, const char *layer)
{
	const struct thaw_convnext_names *n = v->names;
	snprintf(text, THAW_LAYER_NAME, "%s%s%d%s%d%s%s", v->prefix, n->stage, n->step * stage + n->step - 1, n->block,
		 block, *layer ? "." : "", layer);
	return text;
}

const char *thaw_convnext_before_stage(char *text, const struct thaw_convnext *v, int stage, const char *layer)
{
	snprintf(text, THAW_LAYER_NAME, "%s%s%d%s", v->prefix, v->names->down, v->names->step * stage, layer);
	return text;
}
