/* The layers that families are made of: nodes with their parameters, named as PyTorch's modules are.
 *
 * Every function adds to the graph and returns the new value. Failures are remembered by the graph
 * (thaw_graph_finish), so builders need no checks in between.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_LAYERS_H
#define THAW_SRC_MODEL_FAMILIES_LAYERS_H

#include "thaw/graph.h"
#include "thaw/transform.h"
#include "thaw/weights.h"

#define THAW_LAYER_NAME 96 /* bytes that hold the name of any layer of the families */

/* A convolution of square kernels: parameters NAME.weight and, with `bias`, NAME.bias. */
struct thaw_conv_layer {
	const char *name;
	int64_t in, out; /* channels */
	int kernel, stride, pad;
	bool same;  /* TensorFlow's padding instead of `pad` */
	int groups; /* 0: one */
	bool bias;
};

/* A batch norm: NAME.weight, .bias, .running_mean, .running_var. */
struct thaw_norm_layer {
	const char *name;
	float epsilon, momentum; /* 0: PyTorch's 1e-5 and 0.1 */
};

int thaw_layer_conv(struct thaw_graph *g, int x, const struct thaw_conv_layer *l);
int thaw_layer_norm(struct thaw_graph *g, int x, const struct thaw_norm_layer *l, int64_t channels);
int thaw_layer_activation(struct thaw_graph *g, int x, const char *after, enum thaw_activation activation);
int thaw_layer_add(struct thaw_graph *g, int a, int b, const char *name);
int thaw_layer_max_pool(struct thaw_graph *g, int x, const char *name, int kernel, int stride, int pad);
/* The average over as many regions as give side x side outputs; side 1 is global pooling. */
int thaw_layer_average_pool(struct thaw_graph *g, int x, const char *name, int side);
int thaw_layer_flatten(struct thaw_graph *g, int x, const char *name);
int thaw_layer_dropout(struct thaw_graph *g, int x, const char *name, float rate);
/* A linear layer with bias. `image` {C,H,W} if x is a flattened image, else NULL. */
int thaw_layer_linear(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out, const int *image);
/* The end of a network that pools: global average pooling and flattening, still in the block before, so that
 * a cut at the classifier leaves vectors; then a block of this name with dropout, if `rate` > 0, and the linear
 * layer. The file's count of classes, where it has one, goes before `classes`. */
int thaw_layer_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes, float rate,
			  const struct thaw_weights *w);

/* Position of the variant in the NULL-ended list, which has it. */
int thaw_variant_index(const char *const *names, const char *variant);

/* What a file says. `w` may be NULL: there is no file. */

/* Whether the tensor is there with this shape; a dimension of 0 matches any size above 0. */
bool thaw_weights_shaped(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape);
/* Outputs (O) of the weight (O,in,...) if the file has one whose other dimensions are those of `shape`
 * (shape->dim[0] is not read), otherwise `fallback`: a wrong shape is then found with all the others. */
int64_t thaw_weights_outputs(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape,
			     int64_t fallback);
/* How many consecutive N from `first` have the tensor "PREFIX<N>SUFFIX". */
int thaw_weights_count(const struct thaw_weights *w, const char *prefix, int first, const char *suffix);

/* torchvision's for ImageNet: 224 of 256 pixels, bilinear, its mean and deviation. */
void thaw_preprocess_imagenet(struct thaw_preprocess *p);

#endif
