/* The interface of a weight file format. Internal to src/model. */
#ifndef THAW_SRC_MODEL_WEIGHTS_FORMAT_H
#define THAW_SRC_MODEL_WEIGHTS_FORMAT_H

#include <stdbool.h>

#include "thaw/weights.h"

/* A format: one file in src/model and one line in the table of weights.c. */
struct thaw_weights_format {
	const char *name;
	/* Whether the content starts like this format; the rest is not checked. */
	bool (*matches)(const unsigned char *bytes, size_t size);
	/* Fills the zeroed *w, whose tensors may point into `bytes`. On failure the caller frees *w. */
	thaw_status (*parse)(struct thaw_weights *w, const unsigned char *bytes, size_t size, const char *name);
};

extern const struct thaw_weights_format thaw_format_safetensors;
extern const struct thaw_weights_format thaw_format_pth_zip;
extern const struct thaw_weights_format thaw_format_pth_stream;

/* thaw_safetensors_read_header without checking names; fills the zeroed *w, which the caller frees on failure too. */
thaw_status thaw_safetensors_parse_header(struct thaw_weights *w, const void *bytes, size_t size, uint64_t content,
					  const char *file);

/* THAW_DATA if two of the tensors have the same name. */
thaw_status thaw_weights_check_names(const struct thaw_named_tensor *tensors, int count, const char *file);

#endif
