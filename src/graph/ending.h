/* The ending of a network: the nodes that compute class scores from a grid of features. Shared by the passes that
 * rewrite it. */
#ifndef THAW_SRC_GRAPH_ENDING_H
#define THAW_SRC_GRAPH_ENDING_H

#include "src/graph/graph_internal.h"

/* How the grid becomes the vector that the first node of the ending reads. */
enum thaw_ending_kind {
	THAW_ENDING_OTHER,  /* there is no grid, such as in a vision transformer with a class token */
	THAW_ENDING_POOLED, /* the mean of all its positions */
	THAW_ENDING_FLAT,   /* all its positions, one after the other */
	THAW_ENDING_SINGLE, /* at the network's own size it has one position */
};

struct thaw_ending {
	enum thaw_ending_kind kind;
	struct thaw_shape *shapes; /* [node_count] of all values, at the network's own size */
	int *node;                 /* [count] in execution order; each reads the one before only, and no other node
				    * does; [0] is the pooling or the flattening */
	int count;
	int features; /* the value (N,H,W,C) that node[0] reads */
	int stopped;  /* THAW_ENDING_OTHER: the node that is not understood */
	bool scores;  /* the classifier is one of these nodes; if not, the grid holds class scores already */
};

/* Finds the ending, for images of the network's own size (1,H,W,C). The caller releases it, also after an error. */
thaw_status thaw_ending_find(struct thaw_ending *e, const struct thaw_graph *g, const struct thaw_shape *image);
void thaw_ending_release(struct thaw_ending *e);

/* Whether a node has this operator. */
bool thaw_node_is(const struct thaw_node *n, const char *op);
/* Whether the node averages all positions of a grid. */
bool thaw_node_is_mean(const struct thaw_node *n);
/* Whether the node only moves elements. */
bool thaw_node_is_view(const struct thaw_node *n);
/* Which input of a function of two values is a constant with one value per channel, for all positions; -1: none. */
int thaw_node_row(const struct thaw_graph *g, const struct thaw_node *n);
/* The input that a node computes its output from, each position from the same position, and from constants that are the
 * same for all positions; -1: the node computes something else. */
int thaw_node_pointwise_input(const struct thaw_graph *g, const struct thaw_node *n);
/* The same, or the input of a convolution that moves a kernel by single pixels over it, without padding. */
int thaw_node_grid_input(const struct thaw_graph *g, const struct thaw_node *n);

/* Replaces the linear layer by a convolution with a kernel of size kernel[2]. stride[3]: distances of neighbours down,
 * across and of channels among the layer's inputs. THAW_RESOURCE if out of memory. */
thaw_status thaw_linear_to_conv(struct thaw_graph *g, int node, const int64_t kernel[2], const int64_t stride[3]);

/* Removes the nodes of the ending with dead[node], makes convolutions of 1x1 of the linear layers that are left, and
 * ends the graph with the mean of the grid. Uses up `dead`. */
thaw_status thaw_ending_as_grid(const struct thaw_ending *e, struct thaw_graph *g, bool *dead);

#endif
