/* What the files of src/graph share. */
#ifndef THAW_SRC_GRAPH_INTERNAL_H
#define THAW_SRC_GRAPH_INTERNAL_H

#include "thaw/graph.h"

/* How many nodes take this value, and the last of them (0: none). The output counts as taken once more. */
int thaw_graph_uses(const struct thaw_graph *g, int value, int *last);

/* Removes the nodes with dead[i], replacing the value of each by that of its first input; nobody reads those without
 * inputs. Clears `dead`. */
void thaw_graph_remove(struct thaw_graph *g, bool *dead);

/* The site of a node, given all values' shapes. param[THAW_MAX_PARAMS] and x[input_count] are memory to fill. */
struct thaw_op_desc thaw_graph_op_desc(const struct thaw_graph *g, int node, const struct thaw_shape *shapes,
				       struct thaw_shape *param, struct thaw_shape *x);

/* Whether a node is a batch norm with fixed statistics right behind a convolution that nobody else reads: the two
 * can become one. */
bool thaw_graph_norm_of_conv(const struct thaw_graph *g, int node);

enum { THAW_NORM_PARAMS = 4 }; /* of a batch norm: scale, shift, mean, variance */

#endif
