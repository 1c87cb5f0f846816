/* Recognises operators that exporters spread over several nodes and merges each into one node. */
#include <string.h>

#include "src/graph/recognise/recognise.h"
#include "thaw/memory.h"

/* The order matters: later patterns match the results of earlier ones. */
static const thaw_pattern patterns[] = {
	thaw_recognise_layer_norm, thaw_recognise_scale, thaw_recognise_gelu, thaw_recognise_gated_activation,
	thaw_recognise_bias,       thaw_recognise_pad,   thaw_recognise_view, thaw_recognise_attention,
	thaw_recognise_heads,
};

static bool recognise_all(struct thaw_recogniser *r)
{
	bool any = false;
	for (size_t p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
		for (int i = 1; i < r->g->node_count && r->g->failed == THAW_OK; i++)
			if (!r->readers.dead[i] && patterns[p](r, i)) {
				any = true;
				thaw_readers_sweep(r);
			}
	return any && r->g->failed == THAW_OK;
}

thaw_status thaw_graph_recognise(struct thaw_graph *g, const struct thaw_shape *image)
{
	struct thaw_recogniser r = {.g = g, .shapes = thaw_alloc((size_t)g->node_count, sizeof(*r.shapes))};
	thaw_status status = r.shapes ? thaw_graph_infer(g, image, r.shapes) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_readers_count(&r);
	while (status == THAW_OK && recognise_all(&r)) {
	}
	if (status == THAW_OK && g->failed == THAW_OK)
		thaw_graph_remove(g, r.readers.dead);
	thaw_free(r.shapes);
	thaw_readers_free(&r.readers);
	return status == THAW_OK ? g->failed : status;
}
