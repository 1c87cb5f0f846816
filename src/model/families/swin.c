/* Swin Transformer (Liu et al., ICCV 2021), also with searched windows (S3: Chen et al., NeurIPS 2021), and Swin
 * Transformer V2 (Liu et al., CVPR 2022), with the names of timm, of the authors' files, of transformers and of
 * torchvision. */
#include "src/model/families/swin.h"

#include <stdio.h>

#include "src/base/try.h"
#include "src/model/family.h"

#define EPSILON 1e-5f /* of the norms of stem and merging, in all of these networks */

/* Those of random networks, and names for files of V2 whose tensors do not show the windows. */
static const char *const variants[] = {
	"swin",
	"swin_tiny_patch4_window7_224",
	"swin_small_patch4_window7_224",
	"swin_base_patch4_window7_224",
	"swin_base_patch4_window12_384",
	"swin_large_patch4_window7_224",
	"swin_large_patch4_window12_384",
	"swinv2",
	"swinv2_tiny_window8_256",
	"swinv2_tiny_window16_256",
	"swinv2_small_window8_256",
	"swinv2_small_window16_256",
	"swinv2_base_window8_256",
	"swinv2_base_window16_256",
	"swinv2_base_window12_192",
	"swinv2_base_window12to16_192to256",
	"swinv2_base_window12to24_192to384",
	"swinv2_large_window12_192",
	"swinv2_large_window12to16_192to256",
	"swinv2_large_window12to24_192to384",
	NULL,
};

/* Features (N,side,side,C) as tokens. The sizes are given, since windows fit features of one size. */
static int to_tokens(struct thaw_graph *g, int x, int64_t side, const char *name)
{
	const struct thaw_attrs a = {.factors = {.count = 4,
						 .ndim = 3,
						 .axis = {0, 1, 2, 3},
						 .size = {0, side, side, 0},
						 .order = {0, 1, 2, 3},
						 .target = {0, 1, 1, 2}}};
	return thaw_graph_add(g, "reshape", name, &a, &x, 1);
}

static int to_features(struct thaw_graph *g, int x, int64_t side, const char *name)
{
	const struct thaw_attrs a = {.factors = {.count = 4,
						 .ndim = 4,
						 .axis = {0, 1, 1, 2},
						 .size = {0, side, side, 0},
						 .order = {0, 1, 2, 3},
						 .target = {0, 1, 2, 3}}};
	return thaw_graph_add(g, "reshape", name, &a, &x, 1);
}

/* Tokens (N,T,C) of side x side features. */
static int stem(struct thaw_graph *g, const struct thaw_swin *s)
{
	char patch[THAW_SWIN_NAME], norm[THAW_SWIN_NAME];
	snprintf(patch, sizeof(patch), "%s%s", s->base, s->names->patch);
	snprintf(norm, sizeof(norm), "%s%s", s->base, s->names->patch_norm);
	const struct thaw_conv_layer patches = {
		.name = patch,
		.in = 3,
		.out = s->stage[0].channels,
		.kernel = (int)s->patch,
		.stride = (int)s->patch,
		.bias = true,
	};
	thaw_graph_block(g, "stem");
	int x = to_tokens(g, thaw_layer_conv(g, 0, &patches), thaw_swin_grid_of(s, 0).side, "tokens");
	return thaw_layer_channel_norm(g, x, norm, s->stage[0].channels, EPSILON);
}

/* The features of 2x2 tokens, first those of the left column, as one token; to the channels of stage i. */
static int merge(struct thaw_graph *g, int x, const struct thaw_swin *s, int i)
{
	static const struct thaw_attrs one_more = {.after = {0, 1, 1}};
	static const struct thaw_attrs gather = {.factors = {.count = 6,
							     .ndim = 3,
							     .axis = {0, 1, 1, 2, 2, 3},
							     .size = {0, 0, 2, 0, 2, 0},
							     .order = {0, 1, 3, 4, 2, 5},
							     .target = {0, 1, 1, 2, 2, 2}}};
	const int64_t side = thaw_swin_grid_of(s, i - 1).side, in = 4 * s->stage[i - 1].channels;
	const int64_t out = s->stage[i].channels;
	char block[THAW_SWIN_NAME], name[2 * THAW_SWIN_NAME];
	thaw_graph_block(g, "%s", thaw_swin_merge_name(s, i, block));
	snprintf(name, sizeof(name), "%s.features", block);
	x = to_features(g, x, side, name);
	snprintf(name, sizeof(name), "%s.pad", block);
	if (side % 2 == 1)
		x = thaw_graph_add(g, "pad", name, &one_more, &x, 1);
	snprintf(name, sizeof(name), "%s.gather", block);
	x = thaw_graph_add(g, "rearrange", name, &gather, &x, 1);
	snprintf(name, sizeof(name), "%s.norm", block);
	if (!s->v2)
		x = thaw_layer_channel_norm(g, x, name, in, EPSILON);
	snprintf(name, sizeof(name), "%s.reduction", block);
	x = thaw_layer_product(g, x, name, in, out);
	snprintf(name, sizeof(name), "%s.norm", block);
	return s->v2 ? thaw_layer_channel_norm(g, x, name, out, EPSILON) : x;
}

static thaw_status build(struct thaw_graph *g, const struct thaw_architecture *a)
{
	struct thaw_swin s = thaw_swin_describe(a);
	char norm[THAW_SWIN_NAME];
	THAW_TRY(thaw_swin_read_options(&s, a->options));
	const struct thaw_swin_stage *last = &s.stage[s.stages - 1];
	int x = stem(g, &s);
	for (int i = 0; i < s.stages; i++) {
		struct thaw_swin_shared shared;
		if (i > 0)
			x = merge(g, x, &s, i);
		thaw_swin_share(&shared, &s, i);
		for (int j = 0; j < s.stage[i].blocks; j++)
			x = thaw_swin_block(g, x, &s, i, j, &shared);
	}
	x = to_features(g, x, thaw_swin_grid_of(&s, s.stages - 1).side, "features");
	snprintf(norm, sizeof(norm), "%s%s", s.base, s.names->norm);
	x = thaw_layer_channel_norm(g, x, norm, last->channels, (float)s.epsilon);
	thaw_layer_classifier(g, x, s.names->head, last->channels, a->classes, 0, a->w);
	return thaw_graph_finish(g);
}

/* The side to which torchvision resizes images. */
static int torchvision_resize(const struct thaw_swin *s)
{
	enum { BASE = 128, DEEP = 18 };
	const bool base = s->stage[0].channels == BASE, small = !base && s->stage[s->stages > 2 ? 2 : 0].blocks == DEEP;
	if (s->v2)
		return base ? 272 : 260;
	return base ? 238 : small ? 246 : 232;
}

static void preprocess(const struct thaw_architecture *a, struct thaw_preprocess *p)
{
	struct thaw_swin s = thaw_swin_describe(a);
	if (thaw_swin_read_options(&s, a->options) != THAW_OK)
		return; /* `build` has failed then */
	const int side = (int)s.side, full = 384;
	thaw_preprocess_imagenet(p);
	p->size = thaw_square(side);
	p->filter = THAW_BICUBIC;
	if (s.names->maker == THAW_SWIN_TRANSFORMERS) {
		p->resize = side;
		p->mode = THAW_RESIZE_SQUASH;
	} else {
		p->resize = s.names->maker == THAW_SWIN_TORCHVISION ? torchvision_resize(&s)
			    : side == full                          ? side
								    : side * 10 / 9;
	}
}

static const char *const timm_names[] = {
	"swin_tiny_",   "swin_small_",   "swin_base_",   "swin_large_",   "swin_s3_",
	"swinv2_tiny_", "swinv2_small_", "swinv2_base_", "swinv2_large_", NULL,
};
static const char *const transformers_names[] = {"swin", "swinv2", NULL};
static const char *const buffers[] = {"relative_position_index", "relative_coords_table", "attn_mask", NULL};

const struct thaw_family thaw_family_swin = {
	.name = "swin",
	.variants = variants,
	.classes = 1000,
	.timm = timm_names,
	.transformers = transformers_names,
	.recognise = thaw_swin_recognise,
	.one_size = true,
	.buffers = buffers,
	.options = thaw_swin_find_options,
	.build = build,
	.preprocess = preprocess,
};
