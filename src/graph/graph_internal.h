/* Internal functions of src/graph. */
#ifndef THAW_SRC_GRAPH_INTERNAL_H
#define THAW_SRC_GRAPH_INTERNAL_H

#include "thaw/graph.h"

/* Number of times the value is read, counting the output of the graph as one. *last: its last reader, 0 if none. */
int thaw_graph_uses(const struct thaw_graph *g, int value, int *last);

/* Removes the nodes with dead[i]; readers of such a node read its first input instead. A dead node without inputs must
 * not have readers. Clears `dead`. */
void thaw_graph_remove(struct thaw_graph *g, bool *dead);

/* The description of a node for its operator. shapes: of all values; fills param[THAW_MAX_PARAMS] and x[input_count],
 * which must outlive the result. */
struct thaw_op_desc thaw_graph_op_desc(const struct thaw_graph *g, int node, const struct thaw_shape *shapes,
				       struct thaw_shape *param, struct thaw_shape *x);

/* Whether a node is a batch norm with moving statistics after a convolution that has no other reader, so that the two
 * can be merged. */
bool thaw_graph_norm_of_conv(const struct thaw_graph *g, int node);

enum { THAW_NORM_PARAMS = 4 }; /* of a batch norm: scale, shift, mean, variance */

#endif
