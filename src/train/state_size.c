#include "src/train/state_size.h"

#include <string.h>

#include "src/train/flat_params.h"

#define HEADER_BYTES ((size_t)64 << 10) /* of the safetensors header, for metadata */
#define ENTRY_BYTES  ((size_t)256)      /* per tensor, besides its name */
#define ESCAPED      ((size_t)6)        /* characters of JSON for one of a name, at most */

static size_t param_bytes(const struct thaw_param *p)
{
	return (size_t)thaw_shape_count(&p->shape) * sizeof(float);
}

size_t thaw_state_size(const struct thaw_graph *g, const struct thaw_optimizer *optimizer)
{
	size_t bytes = 0, copies = 1;
	for (int i = 0; i < THAW_OPTIMIZER_STATES && optimizer->state_names[i]; i++)
		copies++;
	for (int i = 0; i < g->param_count; i++)
		if (g->params[i].trainable)
			bytes += copies * param_bytes(&g->params[i]);
	return bytes;
}

size_t thaw_network_size(const struct thaw_graph *g)
{
	size_t bytes = 0;
	for (int i = 0; i < g->param_count; i++)
		bytes += param_bytes(&g->params[i]);
	return bytes;
}

size_t thaw_state_bound(const struct thaw_graph *g)
{
	size_t bytes = HEADER_BYTES;
	for (int i = 0; i < g->param_count; i++) {
		const char *name = g->params[i].name;
		size_t entry = ENTRY_BYTES + ESCAPED * (name ? strlen(name) : 0);
		bytes += (1 + THAW_OPTIMIZER_STATES) * (param_bytes(&g->params[i]) + entry);
	}
	return bytes;
}
