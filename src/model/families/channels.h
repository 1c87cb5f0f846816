/* Functions of the channels of an image (N,H,W,C), or of one pooled to (N,1,1,C). See layers.h: each adds nodes to
 * value x and returns its output. */
#ifndef THAW_SRC_MODEL_FAMILIES_CHANNELS_H
#define THAW_SRC_MODEL_FAMILIES_CHANNELS_H

#include "src/model/families/layers.h"

/* The shape in files of a parameter with a value for each channel. */
enum thaw_channel_shape { THAW_CHANNELS_C, THAW_CHANNELS_C11, THAW_CHANNELS_11C, THAW_CHANNELS_111C };

/* x * parameter `name`, for each channel. */
int thaw_layer_scale_channels(struct thaw_graph *g, int x, const char *name, int64_t channels,
			      enum thaw_channel_shape shape);

/* x + parameter `name`, for each channel. */
int thaw_layer_shift_channels(struct thaw_graph *g, int x, const char *name, int64_t channels,
			      enum thaw_channel_shape shape);

/* How a norm divides the channels of a pixel. */
enum thaw_pixel_norm {
	THAW_PIXEL_LAYER,  /* (x - mean) / sqrt(variance + epsilon) * weight + bias */
	THAW_PIXEL_RMS,    /* x / sqrt(mean of squares + epsilon) * weight */
	THAW_PIXEL_SIMPLE, /* x / sqrt(unbiased variance + epsilon) * weight */
};

int thaw_layer_pixel_norm(struct thaw_graph *g, int x, const char *name, int64_t channels, float epsilon,
			  enum thaw_pixel_norm norm);

/* Global response norm (Woo et al., CVPR 2023): x * (1 + weight * r) + bias, where r is a channel's L2 norm over the
 * image in relation to the mean of all channels'. weight, bias: names of the parameters. */
int thaw_layer_response_norm(struct thaw_graph *g, int x, const char *weight, const char *bias, int64_t channels,
			     enum thaw_channel_shape shape);

#endif
