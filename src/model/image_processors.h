/* The image processors of transformers, and their defaults. Internal to src/model. */
#ifndef THAW_SRC_MODEL_IMAGE_PROCESSORS_H
#define THAW_SRC_MODEL_IMAGE_PROCESSORS_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/image.h"

/* What a processor does that others do not. */
enum thaw_processor_rule {
	THAW_PROCESSOR_PLAIN,
	THAW_PROCESSOR_CONVNEXT,     /* below 384 the resize crops, with crop_pct; from 384 it squashes */
	THAW_PROCESSOR_POOLFORMER,   /* the shorter side is resized to size / crop_pct */
	THAW_PROCESSOR_LEVIT,        /* the shorter side is resized to size * 256 / 224 */
	THAW_PROCESSOR_EFFICIENTNET, /* rescale_offset, include_top */
	THAW_PROCESSOR_VIVIT,        /* offset */
	THAW_PROCESSOR_MOBILEVIT,    /* do_flip_channel_order; never normalises */
	THAW_PROCESSOR_REFUSED,      /* does something else */
};

enum thaw_processor_colours { THAW_COLOURS_HALF, THAW_COLOURS_IMAGENET, THAW_COLOURS_CLIP };

struct thaw_processor {
	const char *name; /* without "ImageProcessor" */
	enum thaw_processor_rule rule;
	enum thaw_filter filter;
	enum thaw_processor_colours colours;
	int size;         /* of the resize */
	bool shorter;     /* size is that of the shorter side; also if the file has only a number */
	int crop;         /* default of crop_size; 0: none */
	bool center_crop; /* default of do_center_crop */
};

/* The processor of a type such as ViTImageProcessor, ViTImageProcessorFast or ViTFeatureExtractor; NULL if unknown. */
const struct thaw_processor *thaw_processor_find(const char *type);

#endif
