/* The layers of the families: nodes with their parameters, named like PyTorch's modules.
 *
 * Each function adds a layer to value x and returns its output. The graph records failures (see thaw_graph_finish), so
 * builders need not check every call.
 */
#ifndef THAW_SRC_MODEL_FAMILIES_LAYERS_H
#define THAW_SRC_MODEL_FAMILIES_LAYERS_H

#include "thaw/graph.h"
#include "thaw/transform.h"
#include "thaw/weights.h"

#define THAW_LAYER_NAME 96 /* bytes; enough for the name of any layer of the families */

/* A convolution with a square kernel: parameters NAME.weight and, with `bias`, NAME.bias. */
struct thaw_conv_layer {
	const char *name;
	int64_t in, out; /* channels */
	int kernel, stride, pad;
	bool same;  /* TensorFlow's "same" padding instead of `pad` */
	bool late;  /* one pixel less of `pad` above and on the left */
	int groups; /* 0: 1 */
	bool bias;
	float standardise; /* the weight is standardised, with this epsilon; 0: it is not */
};

/* A batch norm: NAME.weight, .bias, .running_mean, .running_var. */
struct thaw_norm_layer {
	const char *name;
	float epsilon, momentum; /* 0: PyTorch's 1e-5 and 0.1 */
};

int thaw_layer_conv(struct thaw_graph *g, int x, const struct thaw_conv_layer *l);
/* A convolution of one channel along the rows of x (N,H,W,1), without bias: NAME.weight (1,1,kernel). Keeps the size.
 */
int thaw_layer_row_conv(struct thaw_graph *g, int x, const char *name, int kernel);
int thaw_layer_norm(struct thaw_graph *g, int x, const struct thaw_norm_layer *l, int64_t channels);
/* PyTorch's batch norm, or, of 1 or more groups, a group norm: NAME.weight, NAME.bias. */
int thaw_layer_batch_or_group_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, int groups);
int thaw_layer_activation(struct thaw_graph *g, int x, const char *after, enum thaw_activation activation);
int thaw_layer_add(struct thaw_graph *g, int a, int b, const char *name);
int thaw_layer_max_pool(struct thaw_graph *g, int x, const char *name, int kernel, int stride, int pad);
/* Adaptive average pooling to side x side; side 1 is global pooling. */
int thaw_layer_average_pool(struct thaw_graph *g, int x, const char *name, int side);
/* Average pooling without padding; `ceil`: windows at the bottom and right may be partly outside. */
int thaw_layer_average_windows(struct thaw_graph *g, int x, const char *name, int kernel, int stride, bool ceil);
int thaw_layer_flatten(struct thaw_graph *g, int x, const char *name);
int thaw_layer_dropout(struct thaw_graph *g, int x, const char *name, float rate);
/* A linear layer with bias. `image` is {C,H,W} if x is a flattened image, else NULL. */
int thaw_layer_linear(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out, const int *image);
/* The same without bias. */
int thaw_layer_product(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out);
/* A classifier after global average pooling. Pooling and flattening belong to the block before, so that the features at
 * the cut before the classifier are vectors. The block `name` contains dropout, if `rate` > 0, and the linear layer.
 * The number of classes is that of the file if `w` has the layer, else `classes`. */
int thaw_layer_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes, float rate,
			  const struct thaw_weights *w);
/* The same for vectors (N,in). */
int thaw_layer_vector_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes, float rate,
				 const struct thaw_weights *w);

/* The index of the variant in the NULL-terminated list, which must contain it. */
int thaw_variant_index(const char *const *names, const char *variant);

/* The following functions inspect a state dict; `w` may be NULL. */

/* Whether there is a tensor of this name and shape; a dimension of 0 matches any size above 0. */
bool thaw_weights_has_shape(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape);
/* The shape of the weight (O,I,k,k) of convolution `layer`: I = `in`, or any if that is 0; k = `kernel`, or any odd
 * number if that is 0. NULL: there is no such weight. */
const struct thaw_shape *thaw_weights_conv(const struct thaw_weights *w, const char *layer, int64_t in, int64_t kernel);
/* The outputs O of the weight (O,in,...) if the file has it with the other dimensions of `shape` (shape->dim[0] is not
 * read), else `fallback`. A wrong shape is reported later, when the weights are copied. */
int64_t thaw_weights_outputs(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape,
			     int64_t fallback);
/* The number of consecutive N from `first` for which there is a tensor "PREFIX<N>SUFFIX". */
int thaw_weights_count(const struct thaw_weights *w, const char *prefix, int first, const char *suffix);

/* torchvision's preprocessing for ImageNet: resized to 256, cropped to 224, bilinear, ImageNet's mean and deviation. */
void thaw_preprocess_imagenet(struct thaw_preprocess *p);

#endif
