#include "src/train/node_weights.h"

#include <malloc.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define FLOATS_ALIGNED (THAW_ALIGNMENT / (int64_t)sizeof(float))

/* Whether the parameter moves to node memory. */
static bool moves(const struct thaw_param *p)
{
	return p->own && !p->trainable;
}

/* Floats of the parameter with padding. */
static int64_t padded(const struct thaw_param *p)
{
	return (thaw_shape_count(&p->shape) + FLOATS_ALIGNED - 1) / FLOATS_ALIGNED * FLOATS_ALIGNED;
}

static int64_t floats_of(const struct thaw_graph *g)
{
	int64_t floats = 0;
	for (int i = 0; i < g->param_count; i++)
		floats += moves(&g->params[i]) ? padded(&g->params[i]) : 0;
	return floats;
}

/* Places the parameters one after the other: thaw_param_move_data on the node's first rank, thaw_param_set_data on the
 * others. Returns the end. */
static float *place(struct thaw_graph *g, float *at, void (*put)(struct thaw_param *, float *))
{
	for (int i = 0; i < g->param_count; i++)
		if (moves(&g->params[i])) {
			int64_t step = padded(&g->params[i]);
			put(&g->params[i], at);
			at += step;
		}
	return at;
}

static thaw_status pack(struct thaw_executor *executor, void *memory, bool write)
{
	return executor ? thaw_executor_pack(executor, memory, write) : THAW_OK;
}

/* Writes values and packed weights: by each rank for itself, or by the node's first rank for all. */
static thaw_status write_values(const struct thaw_node_weights *s, struct thaw_graph *g, struct thaw_executor *executor)
{
	if (!s->data)
		return pack(executor, NULL, true);
	if (s->comm->node_rank > 0)
		return THAW_OK;
	return pack(executor, place(g, s->data, thaw_param_move_data), true);
}

thaw_status thaw_node_weights_create(struct thaw_node_weights *s, struct thaw_comm *comm, struct thaw_graph *g,
				     struct thaw_executor *executor, bool *separate)
{
	size_t bytes = (size_t)floats_of(g) * sizeof(float) + (executor ? thaw_executor_packed_bytes(executor) : 0);
	*s = (struct thaw_node_weights){.comm = comm, .bytes = bytes};
	if (comm->node_size > 1)
		THAW_TRY(comm->node_alloc(comm, bytes, &s->data));
	bool missing = comm->node_size > 1 && !s->data;
	*separate = thaw_comm_agree(comm, missing ? THAW_RESOURCE : THAW_OK) != THAW_OK;
	THAW_TRY(thaw_comm_agree(comm, write_values(s, g, executor)));
	if (s->data && comm->node_rank > 0)
		THAW_TRY(pack(executor, place(g, s->data, thaw_param_set_data), false));
	malloc_trim(0); /* free alone keeps the released copies, which are between blocks in use */
	return THAW_OK;
}

void thaw_node_weights_release(struct thaw_node_weights *s)
{
	if (s->comm)
		s->comm->node_free(s->comm, s->data, s->bytes);
	*s = (struct thaw_node_weights){0};
}
