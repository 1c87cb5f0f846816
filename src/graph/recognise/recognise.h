/* Shared by the patterns of src/graph/recognise.
 *
 * A pattern examines one node, the last one of the operator it looks for, and the nodes before it. If they match, it
 * rewrites this node in place so that its value stays the same and later nodes are unaffected. Nodes without readers
 * are removed afterwards. A pattern that needs additional nodes reuses nodes that will be removed. */
#ifndef THAW_SRC_GRAPH_RECOGNISE_H
#define THAW_SRC_GRAPH_RECOGNISE_H

#include "src/graph/graph_internal.h"

/* Nodes without readers stay in the graph until all patterns are done, but are not matched and not counted. */
struct thaw_readers {
	int *uses;  /* [node_count] inputs of other nodes that read the value */
	bool *dead; /* [node_count] the output does not depend on the node */

	/* Of readers.c. */
	int *first; /* [node_count] entry of the first reader */
	struct thaw_reader {
		int node, next;
	} * entries; /* [entry_room] */
	int entry_count, entry_room;
	int *unread; /* [unread_count] values that have lost their last reader */
	int unread_count;
	bool *unread_listed; /* [node_count] whether the value is in `unread` */
};

struct thaw_recogniser {
	struct thaw_graph *g;
	struct thaw_shape *shapes; /* [node_count] of all values */
	struct thaw_readers readers;
};

/* Rewrites the operator that ends in this node; false if there is no match, or if g->failed. */
typedef bool (*thaw_pattern)(struct thaw_recogniser *r, int node);

bool thaw_recognise_attention(struct thaw_recogniser *r, int node);
bool thaw_recognise_bias(struct thaw_recogniser *r, int node);
bool thaw_recognise_gated_activation(struct thaw_recogniser *r, int node);
bool thaw_recognise_gelu(struct thaw_recogniser *r, int node);
bool thaw_recognise_heads(struct thaw_recogniser *r, int node);
bool thaw_recognise_layer_norm(struct thaw_recogniser *r, int node);
bool thaw_recognise_pad(struct thaw_recogniser *r, int node);
bool thaw_recognise_scale(struct thaw_recogniser *r, int node);
bool thaw_recognise_view(struct thaw_recogniser *r, int node);

/* readers.c */

/* Counts the readers of all values. THAW_RESOURCE if out of memory. */
thaw_status thaw_readers_count(struct thaw_recogniser *r);
void thaw_readers_free(struct thaw_readers *u);
/* The node reads the value once more, or a node once less. g->failed if out of memory. */
void thaw_readers_add(struct thaw_recogniser *r, int value, int node);
void thaw_readers_drop(struct thaw_recogniser *r, int value);
/* The value may have lost its last reader: it was the output. */
void thaw_readers_check(struct thaw_recogniser *r, int value);
/* The next reader of a value, -1 after the last; *entry is -1 before the first. A node that reads the value twice may
 * be returned twice. */
int thaw_readers_next(const struct thaw_recogniser *r, int value, int *entry);
/* Marks the nodes that have become dead. */
void thaw_readers_sweep(struct thaw_recogniser *r);

/* match.c */

/* The node of a value if it has this operator, else NULL. */
const struct thaw_node *thaw_match(const struct thaw_recogniser *r, int value, const char *op);
/* The number of readers of a value. */
int thaw_match_uses(const struct thaw_recogniser *r, int value);
/* Whether a value has exactly one reader and is not the output. */
bool thaw_match_once(const struct thaw_recogniser *r, int value);
/* Whether the value is this pointwise function of a value; *x receives that value. */
bool thaw_match_function(const struct thaw_recogniser *r, int value, enum thaw_function function, int *x);
/* Whether the value is a binary function; *x receives its two inputs. For ADD, matches the add operator too. */
bool thaw_match_binary(const struct thaw_recogniser *r, int value, enum thaw_binary binary, const int **x);
/* Whether the value is x f c or c f x with a trainable constant c that has one value per element of the last axis and
 * no other reader. */
bool thaw_match_row(const struct thaw_recogniser *r, int value, enum thaw_binary binary, int *x, int *constant);
/* Whether two numbers are equal within the precision that exporters write. */
bool thaw_match_number(double a, double b);

/* a * of + b */
struct thaw_line {
	int of;
	double a, b;
};
/* The value as a linear function, through all scalings and shifts with a single reader; a = 1, b = 0 if there are none.
 */
struct thaw_line thaw_match_line(const struct thaw_recogniser *r, int value);

/* rewrite.c */

/* Replaces operator, attributes and inputs of a node, and removes its parameters. False, and g->failed, if out of
 * memory. */
bool thaw_rewrite(struct thaw_recogniser *r, int node, const char *op, const struct thaw_attrs *attrs,
		  const int *inputs, int count);
/* Replaces input k of a node. */
void thaw_rewrite_input(struct thaw_recogniser *r, int node, int k, int value);
/* Moves parameter k of node `from` to the end of the parameters of node `to`. */
void thaw_rewrite_take(struct thaw_recogniser *r, int to, int from, int k);
/* Moves the parameter of a constant node to node `to`, as a vector with this role. */
void thaw_rewrite_take_row(struct thaw_recogniser *r, int to, int constant, enum thaw_role role);
/* Makes all readers of `node` read `value` instead. */
void thaw_rewrite_bypass(struct thaw_recogniser *r, int node, int value);
/* Rewrites the node as a rearrangement of x, which changes its value, and returns it; returns x if the rearrangement is
 * the identity. -1 and g->failed on error. */
int thaw_rewrite_view(struct thaw_recogniser *r, int node, int x, const struct thaw_factors *factors);

#endif
