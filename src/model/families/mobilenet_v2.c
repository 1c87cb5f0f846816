/* MobileNetV2 (Sandler et al., CVPR 2018) of width 1, named as in torchvision or timm (mobilenetv2_100). */
#include "src/model/families/inverted.h"
#include "src/model/family.h"

static const char *const names[] = {"mobilenet_v2", NULL};

/* Table 2 of the paper. */
static const struct thaw_inverted_network network = {
	.stage =
		{
			{1, 16, 1, 3, 1},
			{6, 24, 2, 3, 2},
			{6, 32, 3, 3, 2},
			{6, 64, 4, 3, 2},
			{6, 96, 3, 3, 1},
			{6, 160, 3, 3, 2},
			{6, 320, 1, 3, 1},
		},
	.stem = 32,
	.head = 1280,
	.dropout = 0.2f,
};

static const struct thaw_inverted_naming *const namings[] = {&thaw_inverted_torchvision, &thaw_inverted_timm, NULL};

static const char *recognise(const struct thaw_weights *w)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(namings, w);
	return naming && thaw_inverted_matches(&network, naming, w) ? names[0] : NULL;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	const struct thaw_inverted_naming *naming = thaw_inverted_find_naming(namings, a->w);
	return thaw_inverted_build(g, &network, naming ? naming : namings[0], a->classes, a->w);
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	(void)a;
	thaw_preprocess_imagenet(p);
}

static const char *const timm_names[] = {"mobilenetv2_", NULL};

const struct thaw_family thaw_family_mobilenet_v2 = {
	.name = "mobilenet_v2",
	.variants = names,
	.classes = 1000,
	.timm = timm_names,
	.recognise = recognise,
	.build = build,
	.preprocess = preprocess,
};
