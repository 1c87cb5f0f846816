/* The inside of a plan, shared by its compiler (plan.c) and its executor (execute.c). */
#ifndef THAW_SRC_GRAPH_PLAN_INTERNAL_H
#define THAW_SRC_GRAPH_PLAN_INTERNAL_H

#include "thaw/plan.h"

/* A node made ready: views into the arena whose batch size is set at each run. */
struct thaw_step {
	struct thaw_call call;
	struct thaw_view *x;                     /* [inputs] */
	struct thaw_view param[THAW_MAX_PARAMS]; /* data is read from the graph at each run */
	float **dx;                              /* [inputs] */
	bool *dx_add;                            /* [inputs] */
	float *dparam[THAW_MAX_PARAMS];
	float *dy;
	bool backward; /* has a backward call */
};

struct thaw_plan {
	const struct thaw_graph *graph;
	bool training;
	int cut;
	struct thaw_step *steps; /* [node_count]; 0 is unused */
	float *input, *logits, *dlogits;
	int64_t classes;
	char *arena;
	size_t arena_bytes;
	int64_t ran; /* batch size of the last forward */
};

#endif
