/* The executor, shared by its compiler (executor.c, lifetimes.c, convert.c), pack.c and execute.c. */
#ifndef THAW_SRC_GRAPH_EXECUTOR_INTERNAL_H
#define THAW_SRC_GRAPH_EXECUTOR_INTERNAL_H

#include "thaw/executor.h"

/* A compiled node: views into the arena; each run sets their batch size. */
struct thaw_step {
	struct thaw_op_args args;
	struct thaw_view *x;                     /* [inputs] */
	int64_t *x_rows;                         /* [inputs] rows of the first dimension per image; 0: a fixed value */
	int64_t y_rows;                          /* the same for the output */
	struct thaw_view param[THAW_MAX_PARAMS]; /* data pointers are read from the graph at each run */
	void *scratch[2];                        /* of the forward and of the backward pass */
	uint16_t **stored_x;                     /* [inputs] where x[k] is expanded from; NULL: it is in fp32 */
	uint16_t *stored_y;                      /* where y is rounded to, or NULL */
	float **dx;                              /* [inputs] */
	bool *dx_add;                            /* [inputs] */
	float *dparam[THAW_MAX_PARAMS];
	float *dy;
	bool runs;           /* is part of this executor */
	bool backward;       /* runs in the backward pass */
	size_t packed_bytes; /* of its packed parameters, with the kernel for this size */
	int first; /* of the last node of a block that is computed again: the first node of the block; else 0 */
};

/* A value that crosses the cut. */
struct thaw_crossing {
	struct thaw_view value; /* in the arena */
	int64_t count;          /* values per image */
};

/* What is compiled for one image size. Its buffers are in the executor's arena. */
struct thaw_program {
	struct thaw_shape image; /* (max batch,H,W,C); of a trunk: batch 1 */
	struct thaw_step *steps; /* [node_count] */
	/* [node_count] Of blocks that are computed again (runs: the node is, too): with the values of the second time,
	 * for that and for the backward pass. NULL: there are none. */
	struct thaw_step *again;
	struct thaw_crossing *crossing;
	int crossing_count;
	float *input, *logits, *dlogits;
	int64_t classes;
};

/* Where a node's packed parameters are. */
struct thaw_packed {
	size_t bytes, offset;
};

#define THAW_MAX_PROGRAMS 64

struct thaw_executor {
	const struct thaw_graph *graph;
	enum thaw_segment segment;
	bool training;
	bool measures; /* arena_bytes is computed, and nothing allocated or bound */
	int cut;
	struct thaw_program p;                       /* of the current size */
	struct thaw_program kept[THAW_MAX_PROGRAMS]; /* of other sizes, in the order of their last use */
	int kept_count;
	size_t packed_bytes;
	struct thaw_packed *packs; /* [node_count] */
	char *packed, *own_packed; /* own_packed: `packed` if the executor owns it, else NULL */
	char *arena;
	size_t arena_bytes;
	int64_t batch; /* batch size of the last forward pass */
	const uint64_t *sample_key;
	bool (*abandon)(void *context);
	void *abandon_context;
	void (*on_gradient)(void *context, int node);
	void *on_gradient_context;
	void (*on_value)(void *context, int node, const struct thaw_view *value);
	void *on_value_context;
	struct thaw_node_time *times;
};

/* convert.c: takes the values in bfloat16 from a bound step whose operator takes fp32 only. */
void thaw_step_bind_converted(struct thaw_step *step);
/* Sets the scratch of a pass, and gives those values their place in it; expands them where `x` and `y` say so. */
void thaw_step_expand(struct thaw_step *step, bool backward, bool x, bool y);
/* Rounds y, if it was expanded. */
void thaw_step_round(const struct thaw_step *step);

/* pack.c: points the steps of the current program to their packed parameters, if there are any. */
void thaw_executor_bind_packed(struct thaw_executor *executor);

#endif
