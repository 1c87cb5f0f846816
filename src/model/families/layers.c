/* See layers.h. Shapes are in Thaw's layout: convolution weights (kh,kw,I/groups,O), linear (O,I). */
#include "src/model/families/layers.h"

#include <stdio.h>
#include <string.h>

#define TORCH_EPSILON  1e-5f
#define TORCH_MOMENTUM 0.1f

static void add_param(struct thaw_graph *g, int node, const char *layer, const char *what, enum thaw_role role,
		      enum thaw_layout layout, struct thaw_shape shape, const int *image)
{
	char name[THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.%s", layer, what);
	thaw_graph_param(g, node, name, role, layout, &shape, image);
}

static int add_node(struct thaw_graph *g, const char *op, const char *name, const struct thaw_attrs *attrs, int x)
{
	return thaw_graph_add(g, op, name, attrs, &x, 1);
}

int thaw_layer_conv(struct thaw_graph *g, int x, const struct thaw_conv_layer *l)
{
	const int groups = l->groups ? l->groups : 1;
	struct thaw_attrs a = {
		.kernel = {l->kernel, l->kernel},
		.stride = {l->stride, l->stride},
		.pad = {l->pad - l->late, l->pad - l->late, l->pad, l->pad},
		.same = l->same,
		.groups = groups,
		.epsilon = l->standardise,
	};
	int y = add_node(g, l->standardise > 0 ? "std_conv" : "conv", l->name, &a, x);
	add_param(g, y, l->name, "weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV,
		  thaw_shape_of(l->kernel, l->kernel, l->in / groups, l->out), NULL);
	if (l->bias)
		add_param(g, y, l->name, "bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, thaw_shape_of(l->out), NULL);
	return y;
}

int thaw_layer_row_conv(struct thaw_graph *g, int x, const char *name, int kernel)
{
	const struct thaw_attrs a = {.kernel = {1, kernel}, .pad = {0, kernel / 2, 0, kernel / 2}};
	int y = add_node(g, "conv", name, &a, x);
	add_param(g, y, name, "weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV_ROW, thaw_shape_of(1, kernel, 1, 1), NULL);
	return y;
}

int thaw_layer_norm(struct thaw_graph *g, int x, const struct thaw_norm_layer *l, int64_t channels)
{
	struct thaw_attrs a = {
		.epsilon = l->epsilon > 0 ? l->epsilon : TORCH_EPSILON,
		.momentum = l->momentum > 0 ? l->momentum : TORCH_MOMENTUM,
	};
	int y = add_node(g, "batch_norm", l->name, &a, x);
	struct thaw_shape c = thaw_shape_of(channels);
	add_param(g, y, l->name, "weight", THAW_ROLE_SCALE, THAW_LAYOUT_SAME, c, NULL);
	add_param(g, y, l->name, "bias", THAW_ROLE_SHIFT, THAW_LAYOUT_SAME, c, NULL);
	add_param(g, y, l->name, "running_mean", THAW_ROLE_MEAN, THAW_LAYOUT_SAME, c, NULL);
	add_param(g, y, l->name, "running_var", THAW_ROLE_VARIANCE, THAW_LAYOUT_SAME, c, NULL);
	return y;
}

int thaw_layer_batch_or_group_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, int groups)
{
	const struct thaw_attrs a = {.groups = groups, .epsilon = TORCH_EPSILON};
	if (groups < 1)
		return thaw_layer_norm(g, x, &(struct thaw_norm_layer){.name = name}, channels);
	int y = add_node(g, "group_norm", name, &a, x);
	add_param(g, y, name, "weight", THAW_ROLE_SCALE, THAW_LAYOUT_SAME, thaw_shape_of(channels), NULL);
	add_param(g, y, name, "bias", THAW_ROLE_SHIFT, THAW_LAYOUT_SAME, thaw_shape_of(channels), NULL);
	return y;
}

int thaw_layer_activation(struct thaw_graph *g, int x, const char *after, enum thaw_activation activation)
{
	char name[THAW_LAYER_NAME + 8];
	snprintf(name, sizeof(name), "%s.act", after);
	struct thaw_attrs a = {.activation = activation};
	return add_node(g, "activation", name, &a, x);
}

int thaw_layer_add(struct thaw_graph *g, int a, int b, const char *name)
{
	return thaw_graph_add(g, "add", name, &(struct thaw_attrs){0}, (int[]){a, b}, 2);
}

int thaw_layer_max_pool(struct thaw_graph *g, int x, const char *name, int kernel, int stride, int pad)
{
	struct thaw_attrs a = {.kernel = {kernel, kernel}, .stride = {stride, stride}, .pad = {pad, pad, pad, pad}};
	return add_node(g, "max_pool", name, &a, x);
}

int thaw_layer_average_pool(struct thaw_graph *g, int x, const char *name, int side)
{
	struct thaw_attrs a = {.output = {side, side}};
	return add_node(g, "average_pool", name, &a, x);
}

int thaw_layer_average_windows(struct thaw_graph *g, int x, const char *name, int kernel, int stride, bool ceil)
{
	struct thaw_attrs a = {.kernel = {kernel, kernel}, .stride = {stride, stride}, .ceil_mode = ceil};
	return add_node(g, "average_pool", name, &a, x);
}

int thaw_layer_flatten(struct thaw_graph *g, int x, const char *name)
{
	return add_node(g, "flatten", name, &(struct thaw_attrs){0}, x);
}

int thaw_layer_dropout(struct thaw_graph *g, int x, const char *name, float rate)
{
	struct thaw_attrs a = {.rate = rate, .stream = x}; /* any number that differs between dropouts */
	return add_node(g, "dropout", name, &a, x);
}

int thaw_layer_linear(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out, const int *image)
{
	int y = add_node(g, "linear", name, &(struct thaw_attrs){0}, x);
	add_param(g, y, name, "weight", THAW_ROLE_WEIGHT, image ? THAW_LAYOUT_FC_CHW : THAW_LAYOUT_SAME,
		  thaw_shape_of(out, in), image);
	add_param(g, y, name, "bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, thaw_shape_of(out), NULL);
	return y;
}

int thaw_layer_product(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t out)
{
	int y = add_node(g, "linear", name, &(struct thaw_attrs){0}, x);
	add_param(g, y, name, "weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, thaw_shape_of(out, in), NULL);
	return y;
}

int thaw_layer_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes, float rate,
			  const struct thaw_weights *w)
{
	x = thaw_layer_average_pool(g, x, "global_pool", 1);
	return thaw_layer_vector_classifier(g, thaw_layer_flatten(g, x, "flatten"), name, in, classes, rate, w);
}

int thaw_layer_vector_classifier(struct thaw_graph *g, int x, const char *name, int64_t in, int64_t classes, float rate,
				 const struct thaw_weights *w)
{
	char weight[THAW_LAYER_NAME];
	snprintf(weight, sizeof(weight), "%s.weight", name);
	thaw_graph_block(g, "%s", name);
	if (rate > 0)
		x = thaw_layer_dropout(g, x, "dropout", rate);
	return thaw_layer_linear(g, x, name, in, thaw_weights_outputs(w, weight, &thaw_shape_of(0, in), classes), NULL);
}

int thaw_variant_index(const char *const *names, const char *variant)
{
	int i = 0;
	while (strcmp(names[i], variant) != 0)
		i++;
	return i;
}

bool thaw_weights_has_shape(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape)
{
	const struct thaw_named_tensor *t = w ? thaw_weights_find(w, name) : NULL;
	if (!t || t->shape.ndim != shape->ndim)
		return false;
	for (int i = 0; i < shape->ndim; i++)
		if (t->shape.dim[i] <= 0 || (shape->dim[i] && t->shape.dim[i] != shape->dim[i]))
			return false;
	return true;
}

const struct thaw_shape *thaw_weights_conv(const struct thaw_weights *w, const char *layer, int64_t in, int64_t kernel)
{
	char name[2 * THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.weight", layer);
	if (!thaw_weights_has_shape(w, name, &thaw_shape_of(0, in, kernel, kernel)))
		return NULL;
	const struct thaw_shape *s = &thaw_weights_find(w, name)->shape;
	return s->dim[2] == s->dim[3] && s->dim[2] % 2 == 1 ? s : NULL;
}

int64_t thaw_weights_outputs(const struct thaw_weights *w, const char *name, const struct thaw_shape *shape,
			     int64_t fallback)
{
	struct thaw_shape any = *shape;
	any.dim[0] = 0;
	return thaw_weights_has_shape(w, name, &any) ? thaw_weights_find(w, name)->shape.dim[0] : fallback;
}

int thaw_weights_count(const struct thaw_weights *w, const char *prefix, int first, const char *suffix)
{
	int n = 0;
	for (;; n++) {
		char name[2 * THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s%d%s", prefix, first + n, suffix);
		if (!thaw_weights_find(w, name))
			return n;
	}
}

void thaw_preprocess_imagenet(struct thaw_preprocess *p)
{
	*p = (struct thaw_preprocess){
		.size = {224, 224},
		.resize = 256,
		.filter = THAW_BILINEAR,
		.mean = {0.485f, 0.456f, 0.406f},
		.std = {0.229f, 0.224f, 0.225f},
	};
}
