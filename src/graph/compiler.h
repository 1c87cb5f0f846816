/* The compiler of executors, shared by executor.c, lifetimes.c and convert.c. */
#ifndef THAW_SRC_GRAPH_COMPILER_H
#define THAW_SRC_GRAPH_COMPILER_H

#include "src/graph/executor_internal.h"
#include "src/graph/memory.h"

enum { BUFFERS = 8 }; /* per node */

/* State of a compilation that the finished executor does not need. */
struct thaw_compiler {
	struct thaw_executor *executor;
	const struct thaw_graph *graph;
	struct thaw_shape *shapes;           /* [nodes] */
	struct thaw_op_workspace *workspace; /* [nodes] */
	bool *needs_gradient;                /* [nodes]: the value depends on a trainable parameter */
	bool *bf16;                          /* [nodes]: the value is stored in bfloat16 */
	int *storage;                        /* [nodes]: the value whose buffer this value is stored in */
	int *gradient_storage;               /* [nodes]: the same for its gradient */
	int *backward;                       /* [nodes]: the step of the backward pass */
	int *again;                          /* [nodes]: the step in which the value is computed again; 0: in none */
	int end;                             /* after the last step */
	/* [BUFFERS * nodes]: values, gradients, saved, scratch of both passes; values, saved and scratch when they are
	 * computed again. */
	struct thaw_buffer *buffers;
	int *crossing; /* [nodes]: the values that cross the cut */
	int nodes;
};

/* The buffers of node i. Values and gradients may share one with another node. */
static inline struct thaw_buffer *value_buffer(struct thaw_compiler *c, int i)
{
	return &c->buffers[c->storage[i]];
}

static inline struct thaw_buffer *gradient_buffer(struct thaw_compiler *c, int i)
{
	return &c->buffers[c->nodes + c->gradient_storage[i]];
}

static inline struct thaw_buffer *saved_buffer(struct thaw_compiler *c, int i)
{
	return &c->buffers[2 * c->nodes + i];
}

static inline struct thaw_buffer *scratch_buffer(struct thaw_compiler *c, int i, bool backward)
{
	return &c->buffers[(backward ? 4 : 3) * c->nodes + i];
}

/* The buffers of a node that is computed again, from then on. */
static inline struct thaw_buffer *value_again(struct thaw_compiler *c, int i)
{
	return &c->buffers[5 * c->nodes + i];
}

static inline struct thaw_buffer *saved_again(struct thaw_compiler *c, int i)
{
	return &c->buffers[6 * c->nodes + i];
}

static inline struct thaw_buffer *scratch_again(struct thaw_compiler *c, int i)
{
	return &c->buffers[7 * c->nodes + i];
}

/* Whether the node may run backward. */
static inline bool in_tail(const struct thaw_compiler *c, int node)
{
	return c->executor->training && node >= c->executor->cut;
}

/* Whether the executor converts values in bfloat16 for the operator. Parameters are in fp32. */
static inline bool takes_fp32_only(const struct thaw_op *op)
{
	return !op->bf16 && !op->parameter;
}

/* recompute.c: numbers the steps of the backward pass, with those that compute values again, and sets `first` of the
 * steps. */
void thaw_compiler_plan_steps(struct thaw_compiler *c);

/* convert.c: bytes of the values that the executor converts for the node's operator. */
size_t thaw_compiler_converted_bytes(const struct thaw_compiler *c, int node);

/* Fills `buffers` but for their offsets, and the steps' `backward`, `dx_add` and packed sizes. Fails only if out of
 * memory. */
thaw_status thaw_compiler_find_lifetimes(struct thaw_compiler *c);

#endif
