/* See unknown_network.h. */
#include "src/model/unknown_network.h"

#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/family.h"

#define RGB 3

/* Parts of names by which a network is known. The first that occurs is used. */
static const struct {
	const char *part, *network;
} known[] = {
	{"vit.encoder.layer.", "ViT of transformers"},
	{"relative_position_bias_table", "Swin Transformer"},
	{"text_model.", "CLIP"},
	{"visual.", "CLIP"},
	{"pos_embed", "a vision transformer"},
	{"pos_embedding", "a vision transformer"},
	{"class_token", "a vision transformer"},
	{".attn.qkv.", "a vision transformer"},
	{"convnextv2.", "ConvNeXt V2 of transformers"},
	{"convnext.", "ConvNeXt of transformers"},
	{".grn.", "ConvNeXt V2"},
	{"stages.0.blocks.", "ConvNeXt of timm"},
	{".se_module.", "SE-ResNet of timm"},
	{".conv_dw.", "EfficientNet or MobileNet of timm"},
	{".dwconv.", "ConvNeXt"},
	{".layer_scale", "ConvNeXt"},
	{"denseblock", "DenseNet"},
	{"Mixed_", "Inception"},
	{"inception", "GoogLeNet"},
	{".squeeze.", "SqueezeNet"},
	{".se.", "a network with squeeze-and-excitation, such as EfficientNet, RegNet or SE-ResNet"},
	{".block.2.fc1.", "EfficientNet or MobileNetV3 of torchvision"},
	{"_blocks.", "EfficientNet"},
	{"trunk_output.", "RegNet"},
	{"model.0.conv.", "YOLO"},
	{"layer1.0.conv1.", "a variant of ResNet"},
	{"features.", "a network like those of torchvision"},
};

thaw_status thaw_check_channels(const struct thaw_named_tensor *t, const struct thaw_shape *expected,
				const char *source)
{
	struct thaw_shape shape = t->shape;
	if (shape.ndim != 4 || expected->ndim != 4 || expected->dim[1] != RGB || shape.dim[1] == RGB)
		return THAW_OK;
	const int64_t channels = shape.dim[1];
	shape.dim[1] = RGB;
	if (!thaw_shape_equal(&shape, expected))
		return THAW_OK;
	return thaw_fail(THAW_DATA, "tensor %s is for %lld-channel images, but images are read as RGB: %s: %s", t->name,
			 (long long)channels, source,
			 channels == 1 ? "save it with this weight as weight.repeat(1, 3, 1, 1) / 3"
				       : "use a network for images of three channels");
}

/* Whether the tensors are those of a family but for the channels of one convolution; fails then. */
static thaw_status find_channels(struct thaw_weights *w, const char *source)
{
	for (int i = 0; i < w->count; i++) {
		struct thaw_named_tensor *t = &w->tensors[i];
		const char *variant = NULL;
		if (t->shape.ndim != 4 || t->shape.dim[1] == RGB || t->shape.dim[1] > 16 || t->shape.dim[2] < 3)
			continue;
		const int64_t channels = t->shape.dim[1];
		struct thaw_shape expected = t->shape;
		expected.dim[1] = t->shape.dim[1] = RGB;
		const struct thaw_family *family = thaw_family_recognise(w, NULL, &variant);
		t->shape.dim[1] = channels;
		if (family)
			return thaw_check_channels(t, &expected, source);
	}
	return THAW_OK;
}

/* The network's name in its config.json, as printable text in text[size]; false if it has none. */
static bool name_in(const json_t *config, char *text, size_t size)
{
	static const char *const keys[] = {"architecture", "architectures", "model_type"};
	const char *name = NULL;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys) && !name; i++) {
		const json_t *value = json_object_get(config, keys[i]);
		name = json_string_value(json_is_array(value) ? json_array_get(value, 0) : value);
	}
	if (name)
		thaw_text_printable(text, size, name, strlen(name));
	return name != NULL;
}

/* The network that the names suggest, and in *because the name; NULL if none. */
static const char *guess(const struct thaw_weights *w, const char **because)
{
	for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++) {
		for (int i = 0; i < w->count; i++) {
			*because = w->tensors[i].name;
			if (strstr(*because, known[k].part))
				return known[k].network;
		}
	}
	return NULL;
}

thaw_status thaw_fail_unknown_network(struct thaw_weights *w, const json_t *config, const char *source)
{
	char name[64], known_names[640];
	const char *because = NULL, *network;
	const char *unreadable = w->dict_count > 0 ? w->dicts[w->selected].unreadable : NULL;
	if (unreadable)
		return thaw_fail(THAW_DATA,
				 "element type not supported: %s: tensor %s: save the weights as float32, float16 or "
				 "bfloat16",
				 source, unreadable);
	THAW_TRY(find_channels(w, source));
	if (name_in(config, name, sizeof(name)))
		return thaw_fail(THAW_DATA,
				 "weights of an unknown network, %s: %s: " THAW_EXPORT_HOW
				 "; known are %s (thaw networks lists them)",
				 name, source,
				 thaw_family_known(known_names, sizeof(known_names),
						   json_object_get(config, "architecture") != NULL));
	network = guess(w, &because);
	if (network)
		return thaw_fail(THAW_DATA,
				 "weights of an unknown network, perhaps %s (by %.100s): %s: " THAW_EXPORT_HOW, network,
				 because, source);
	return thaw_fail(THAW_DATA, "weights of an unknown network (by %.100s): %s: " THAW_EXPORT_HOW,
			 w->count > 0 ? w->tensors[0].name : "no tensors", source);
}
