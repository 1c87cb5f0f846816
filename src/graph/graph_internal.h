/* Internal functions of src/graph. */
#ifndef THAW_SRC_GRAPH_INTERNAL_H
#define THAW_SRC_GRAPH_INTERNAL_H

#include "thaw/graph.h"

/* Counts for each value how often it is read; the output of the graph counts as one read. Returns [node_count], which
 * the caller frees with thaw_free; NULL if out of memory. A pass that changes inputs keeps the counts up to date: to
 * count anew for each node takes quadratic time. */
int *thaw_graph_count_uses(const struct thaw_graph *g);

/* Removes the nodes with dead[i]; readers of such a node read its first input instead. A dead node without inputs must
 * not have readers. Clears `dead`. */
void thaw_graph_remove(struct thaw_graph *g, bool *dead);

/* Whether the parameter is the weight of a convolution: in memory (kh,kw,I,O). */
static inline bool thaw_param_is_filter(const struct thaw_param *p)
{
	return p->layout == THAW_LAYOUT_CONV || p->layout == THAW_LAYOUT_CONV_ROW || p->layout == THAW_LAYOUT_FC_CONV;
}

/* The description of a node for its operator. shapes: of all values; fills param[THAW_MAX_PARAMS] and x[input_count],
 * which must outlive the result. */
/* THAW_CONFIG unless the output has one row per image, as it has not if a layer flattens images of another size. */
thaw_status thaw_graph_check_output(const struct thaw_graph *g, const struct thaw_shape *shapes);

struct thaw_op_desc thaw_graph_op_desc(const struct thaw_graph *g, int node, const struct thaw_shape *shapes,
				       struct thaw_shape *param, struct thaw_shape *x);

/* Whether a node is a batch norm with moving statistics after a convolution that has no other reader, so that the two
 * can be merged. uses: from thaw_graph_count_uses. */
bool thaw_graph_norm_of_conv(const struct thaw_graph *g, int node, const int *uses);

enum { THAW_NORM_PARAMS = 4 }; /* of a batch norm: scale, shift, mean, variance */

#endif
