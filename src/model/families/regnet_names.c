/* Names of a RegNet's layers. */
#include "src/model/families/regnet.h"

#include <stdio.h>

const char *thaw_regnet_trunk(char *text, const struct thaw_regnet *v, const char *layer)
{
	snprintf(text, THAW_LAYER_NAME, "%s%s", v->prefix, layer);
	return text;
}

const char *thaw_regnet_in_block(char *text, const struct thaw_regnet *v, int stage, int block, const char *layer)
{
	const struct thaw_regnet_names *n = v->names;
	const char *dot = *layer ? "." : "";
	const int s = stage + n->first;
	if (n->again)
		snprintf(text, THAW_LAYER_NAME, "%s%s%d%s%d%s%d%s%s", v->prefix, n->stage, s, n->block, s, n->again,
			 block, dot, layer);
	else
		snprintf(text, THAW_LAYER_NAME, "%s%s%d%s%d%s%s", v->prefix, n->stage, s, n->block, block + n->first,
			 dot, layer);
	return text;
}
