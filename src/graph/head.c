/* Finds the classifier of a graph whose builder did not know it, such as an imported one.
 *
 * A classifier is a linear layer, or a convolution, that maps one vector of features per image to the class scores.
 * Only operators that keep scores as they are may follow it. A network that ends in anything else, such as an
 * activation, ends in features. */
#include <string.h>

#include "src/base/try.h"
#include "src/graph/graph_internal.h"
#include "thaw/memory.h"

/* The search from the output back to the classifier. */
struct search {
	const struct thaw_graph *g;
	const struct thaw_shape *shapes;
	int node;
	bool pooled;    /* the scores of several positions are averaged after it */
	bool activated; /* a ReLU is between it and the pooling */
};

static bool is_op(const struct thaw_node *n, const char *name)
{
	return n->op && strcmp(n->op->name, name) == 0;
}

static bool is_scale(const struct thaw_node *n)
{
	return is_op(n, "pointwise") && n->attrs.function == THAW_FN_AFFINE;
}

/* Whether the node has all elements of its input, in another shape. */
static bool is_view(const struct search *s, const struct thaw_node *n)
{
	return (is_op(n, "flatten") || is_op(n, "reshape") || is_op(n, "rearrange")) &&
	       thaw_shape_count(&s->shapes[s->node]) == thaw_shape_count(&s->shapes[n->inputs[0]]);
}

static bool is_average(const struct thaw_node *n)
{
	return is_op(n, "average_pool") || (is_op(n, "reduce") && n->attrs.reduction == THAW_REDUCE_MEAN);
}

/* Steps over a node that may follow a classifier; false if this one may not. */
static bool step_back(struct search *s)
{
	const struct thaw_node *n = &s->g->nodes[s->node];
	if (!n->op || n->input_count != 1)
		return false;
	int from = n->inputs[0];
	if (is_average(n))
		s->pooled |= thaw_shape_count(&s->shapes[from]) != thaw_shape_count(&s->shapes[s->node]);
	else if (is_op(n, "activation") && s->pooled && !s->activated)
		s->activated = true;
	else if (!is_op(n, "dropout") && !is_scale(n) && !is_view(s, n))
		return false;
	s->node = from;
	return true;
}

/* Whether a part of the name, between slashes and dots, is one that classifiers have. conv_head is none. */
static bool names_classifier(const char *name, bool strictly)
{
	static const char *const words[] = {"classifier", "fc", "head", "logits", "predictions", NULL};
	while (*name) {
		size_t length = strcspn(name, "/.");
		for (int i = 0; words[i] && (i == 0 || !strictly); i++)
			if (strlen(words[i]) == length && strncmp(name, words[i], length) == 0)
				return true;
		name += length + (name[length] != '\0');
	}
	return false;
}

/* Whether the node or its weight is called like a classifier. */
static bool is_named(const struct thaw_graph *g, const struct thaw_node *n, bool strictly)
{
	return names_classifier(n->name, strictly) || names_classifier(g->params[n->params[0]].name, strictly);
}

/* A convolution with averaged outputs, as in SqueezeNet, looks like the last layer of features: it is a classifier if
 * a softmax followed it or if its name says so. */
static bool is_classifier(const struct search *s, bool softmax)
{
	const struct thaw_node *n = &s->g->nodes[s->node];
	bool linear = is_op(n, "linear"), conv = is_op(n, "conv") && n->attrs.groups <= 1;
	if ((!linear && !conv) || n->input_count != 1 || n->param_count == 0)
		return false;
	int64_t classes = s->g->params[n->params[0]].file_shape.dim[0];
	int64_t images = s->shapes[s->g->output].dim[0];
	if (thaw_shape_count(&s->shapes[s->g->output]) != images * classes)
		return false;
	if (!s->pooled)
		return thaw_shape_count(&s->shapes[s->node]) == images * classes;
	return softmax || is_named(s->g, n, s->activated);
}

thaw_status thaw_graph_find_head(struct thaw_graph *g, const struct thaw_shape *image, bool softmax)
{
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	struct search s = {.g = g, .shapes = shapes, .node = g->output};
	thaw_status status = shapes ? thaw_graph_infer(g, image, shapes) : THAW_RESOURCE;
	while (status == THAW_OK && step_back(&s)) {
	}
	const struct thaw_node *n = &g->nodes[s.node];
	if (status == THAW_OK && !is_classifier(&s, softmax))
		status =
			thaw_fail(THAW_CONFIG,
				  "the network does not end in a classifier: node %s (%s): a linear layer whose output "
				  "is the network's is needed",
				  n->name, n->op ? n->op->name : "image");
	if (status == THAW_OK)
		g->head = s.node;
	thaw_free(shapes);
	return status;
}
