/* The inside of an executor, shared by its compiler (executor.c), pack.c and execute.c. */
#ifndef THAW_SRC_GRAPH_EXECUTOR_INTERNAL_H
#define THAW_SRC_GRAPH_EXECUTOR_INTERNAL_H

#include "thaw/executor.h"

/* A node made ready: views into the arena whose batch size is set at each run. */
struct thaw_step {
	struct thaw_op_args args;
	struct thaw_view *x;                     /* [inputs] */
	int64_t *x_rows;                         /* [inputs] first dimension for each image; 0: of a fixed value */
	int64_t y_rows;                          /* the same of the result */
	struct thaw_view param[THAW_MAX_PARAMS]; /* data is read from the graph at each run */
	float **dx;                              /* [inputs] */
	bool *dx_add;                            /* [inputs] */
	float *dparam[THAW_MAX_PARAMS];
	float *dy;
	bool runs;                              /* in this executor */
	bool backward;                          /* has a backward call */
	size_t prepared_bytes, prepared_offset; /* of its frozen parameters' packed form */
};

/* A value that crosses the cut. */
struct thaw_crossing {
	float *data;   /* (max batch, count) in the arena */
	int64_t count; /* floats of one image */
};

struct thaw_executor {
	const struct thaw_graph *graph;
	enum thaw_segment segment;
	bool training;
	int cut;
	struct thaw_step *steps; /* [node_count]; those outside are unused */
	struct thaw_crossing *crossing;
	int crossing_count;
	size_t prepared_bytes;
	char *packed, *own_prepared; /* own: the executor's memory, NULL when somebody else's */
	float *input, *logits, *dlogits;
	int64_t classes;
	char *arena;
	size_t arena_bytes;
	int64_t ran; /* batch size of the last forward */
	void (*done)(void *context, int node);
	void *done_context;
	void (*made)(void *context, int node, const float *value);
	void *made_context;
	struct thaw_node_time *times;
};

#endif
