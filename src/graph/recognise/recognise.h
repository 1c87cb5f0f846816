/* What the patterns of src/graph/recognise share.
 *
 * A pattern looks at one node, the last of those it stands for, and at what that reads. Where all is as it should be,
 * it rewrites this node in place: its value stays the same, so nobody behind needs to know. What nobody reads any more
 * is swept away afterwards. Nodes that a pattern needs before it are made of ones that will be swept. */
#ifndef THAW_SRC_GRAPH_RECOGNISE_H
#define THAW_SRC_GRAPH_RECOGNISE_H

#include "src/graph/graph_internal.h"

struct thaw_recogniser {
	struct thaw_graph *g;
	struct thaw_shape *shapes; /* of all values */
};

/* Rewrites what ends in this node; false if nothing is known there, or if g->failed. */
typedef bool (*thaw_pattern)(struct thaw_recogniser *r, int node);

bool thaw_recognise_attention(struct thaw_recogniser *r, int node);
bool thaw_recognise_bias(struct thaw_recogniser *r, int node);
bool thaw_recognise_gate(struct thaw_recogniser *r, int node);
bool thaw_recognise_gelu(struct thaw_recogniser *r, int node);
bool thaw_recognise_layer_norm(struct thaw_recogniser *r, int node);
bool thaw_recognise_pad(struct thaw_recogniser *r, int node);
bool thaw_recognise_scale(struct thaw_recogniser *r, int node);
bool thaw_recognise_view(struct thaw_recogniser *r, int node);

/* match.c: looking. */

/* The node that makes a value, if it is of this operator; else NULL. */
const struct thaw_node *thaw_match(const struct thaw_recogniser *r, int value, const char *op);
/* Whether a value is read once, and is not the output. */
bool thaw_match_once(const struct thaw_recogniser *r, int value);
/* A pointwise function of *x. */
bool thaw_match_function(const struct thaw_recogniser *r, int value, enum thaw_function function, int *x);
/* x[0] f x[1] of two values; of two equal shapes for an addition too. */
bool thaw_match_binary(const struct thaw_recogniser *r, int value, enum thaw_binary binary, const int **x);
/* x f c, or c f x, with a constant c of one value for each element of the last axis, which trains and which nobody else
 * reads. */
bool thaw_match_row(const struct thaw_recogniser *r, int value, enum thaw_binary binary, int *x, int *constant);
/* Whether two numbers are one, but for how many digits an exporter writes. */
bool thaw_match_number(double a, double b);

/* a * of + b */
struct thaw_line {
	int of;
	double a, b;
};
/* What a value is a line of, through all scalings and shifts that nobody else reads; a = 1, b = 0 if there are none. */
struct thaw_line thaw_match_line(const struct thaw_recogniser *r, int value);

/* rewrite.c: changing. */

/* Makes the node another one of the same value, without parameters. */
bool thaw_rewrite(struct thaw_recogniser *r, int node, const char *op, const struct thaw_attrs *attrs,
		  const int *inputs, int count);
/* Parameter k of node `from` becomes the next one of node `to`. */
void thaw_rewrite_take(struct thaw_recogniser *r, int to, int from, int k);
/* The constant's parameter becomes the next one of node `to`, a vector of this role. */
void thaw_rewrite_take_row(struct thaw_recogniser *r, int to, int constant, enum thaw_role role);
/* All who read `node` read `value` instead. */
void thaw_rewrite_bypass(struct thaw_recogniser *r, int node, int value);
/* Makes the node a rearrangement of x, another value than before, and returns it; or returns x where that would be x
 * itself. -1: g->failed. */
int thaw_rewrite_view(struct thaw_recogniser *r, int node, int x, const struct thaw_factors *factors);

#endif
