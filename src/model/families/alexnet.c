/* AlexNet as in torchvision (Krizhevsky, "One weird trick", 2014). */
#include "src/model/families/dense_head.h"
#include "src/model/family.h"

static const char *const names[] = {"alexnet", NULL};

static const struct layer {
	struct thaw_conv_layer conv;
	const char *pool; /* name of the 3x3 max pooling with stride 2 that follows, or NULL */
} layers[] = {
	{{.name = "features.0", .in = 3, .out = 64, .kernel = 11, .stride = 4, .pad = 2, .bias = true}, "features.2"},
	{{.name = "features.3", .in = 64, .out = 192, .kernel = 5, .stride = 1, .pad = 2, .bias = true}, "features.5"},
	{{.name = "features.6", .in = 192, .out = 384, .kernel = 3, .stride = 1, .pad = 1, .bias = true}, NULL},
	{{.name = "features.8", .in = 384, .out = 256, .kernel = 3, .stride = 1, .pad = 1, .bias = true}, NULL},
	{{.name = "features.10", .in = 256, .out = 256, .kernel = 3, .stride = 1, .pad = 1, .bias = true},
	 "features.12"},
};

static const struct thaw_dense_head head = {
	.layer = {"classifier.1", "classifier.4", "classifier.6"}, .channels = 256, .side = 6, .dropout_first = true};

static const char *recognise(const struct thaw_weights *w)
{
	return thaw_weights_has_shape(w, "features.0.weight", &thaw_shape_of(64, 3, 11, 11)) &&
			       thaw_weights_has_shape(w, "features.10.weight", &thaw_shape_of(256, 256, 3, 3))
		       ? names[0]
		       : NULL;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	int x = 0;
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++) {
		const struct layer *l = &layers[i];
		thaw_graph_block(g, "%s", l->conv.name);
		x = thaw_layer_conv(g, x, &l->conv);
		x = thaw_layer_activation(g, x, l->conv.name, THAW_ACT_RELU);
		if (l->pool)
			x = thaw_layer_max_pool(g, x, l->pool, 3, 2, 0);
	}
	thaw_layer_dense_head(g, x, &head, a->classes, a->w);
	return thaw_graph_finish(g);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

const struct thaw_family thaw_family_alexnet = {
	.name = "alexnet",
	.variants = names,
	.classes = 1000,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
