/* See image_processors.h. The values are the class attributes of the processors in transformers. */
#include "src/model/image_processors.h"

#include <string.h>

#define HALF     THAW_COLOURS_HALF
#define IMAGENET THAW_COLOURS_IMAGENET
#define CLIP     THAW_COLOURS_CLIP

/* clang-format off */
static const struct thaw_processor processors[] = {
	/* name, rule, filter, colours, size, shorter, crop, center_crop */
	{"Beit",            THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  HALF,     224, false, 224, false},
	{"Bit",             THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  CLIP,     224, true,  224, true},
	{"Blip",            THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  CLIP,     384, false, 0,   false},
	{"CLIP",            THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  CLIP,     224, true,  224, true},
	{"ChineseCLIP",     THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  CLIP,     224, true,  224, true},
	{"ConvNext",        THAW_PROCESSOR_CONVNEXT,     THAW_BICUBIC,  HALF,     384, true,  0,   false},
	{"DINOv3ViT",       THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, IMAGENET, 224, false, 0,   false},
	{"DeiT",            THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  HALF,     256, false, 224, true},
	{"EfficientFormer", THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  IMAGENET, 224, false, 224, true},
	{"EfficientNet",    THAW_PROCESSOR_EFFICIENTNET, THAW_BICUBIC,  HALF,     346, false, 289, false},
	{"Levit",           THAW_PROCESSOR_LEVIT,        THAW_BICUBIC,  IMAGENET, 224, true,  224, true},
	{"MobileNetV1",     THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, HALF,     256, true,  224, true},
	{"MobileNetV2",     THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, HALF,     256, true,  224, true},
	{"MobileViT",       THAW_PROCESSOR_MOBILEVIT,    THAW_BICUBIC,  HALF,     224, true,  256, true},
	{"PoolFormer",      THAW_PROCESSOR_POOLFORMER,   THAW_BICUBIC,  IMAGENET, 224, true,  224, true},
	{"Pvt",             THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  IMAGENET, 224, false, 0,   false},
	{"Segformer",       THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, IMAGENET, 512, false, 0,   false},
	{"Siglip",          THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  HALF,     224, false, 0,   false},
	{"ViT",             THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, HALF,     224, false, 0,   false},
	{"ViTHybrid",       THAW_PROCESSOR_PLAIN,        THAW_BICUBIC,  CLIP,     224, true,  224, true},
	{"VideoMAE",        THAW_PROCESSOR_PLAIN,        THAW_BILINEAR, HALF,     224, true,  224, true},
	{"Vivit",           THAW_PROCESSOR_VIVIT,        THAW_BILINEAR, HALF,     256, true,  224, true},
	{.name = "DPT", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "Donut", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "GLPN", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "ImageGPT", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "PPLCNet", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "Perceiver", .rule = THAW_PROCESSOR_REFUSED}, /* crops before it resizes */
	{.name = "Pix2Struct", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "Siglip2", .rule = THAW_PROCESSOR_REFUSED},
	{.name = "TextNet", .rule = THAW_PROCESSOR_REFUSED},
};
/* clang-format on */

const struct thaw_processor *thaw_processor_find(const char *type)
{
	const char *end = strstr(type, "ImageProcessor");
	end = end ? end : strstr(type, "FeatureExtractor");
	size_t length = end ? (size_t)(end - type) : strlen(type);
	for (size_t i = 0; i < sizeof(processors) / sizeof(*processors); i++)
		if (strlen(processors[i].name) == length && strncmp(processors[i].name, type, length) == 0)
			return &processors[i];
	return NULL;
}
