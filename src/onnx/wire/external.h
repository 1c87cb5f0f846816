/* External data: tensors in files next to the model. Paths are confined to the model's folder. */
#ifndef THAW_ONNX_WIRE_EXTERNAL_H
#define THAW_ONNX_WIRE_EXTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

struct thaw_onnx_external;

/* Remembers the folder of model_path; opens no file yet. */
thaw_status thaw_onnx_external_open(struct thaw_onnx_external **x, const char *model_path);

/* *data = `length` bytes at `offset` of the file `location`, relative to the folder. Each file is mapped once,
 * read-only, until thaw_onnx_external_close; it must not shrink before that. THAW_DATA, naming model and location, if
 * the location is absolute, contains "..", passes through a symbolic link, is not a regular file, or is too short;
 * THAW_IO if it cannot be read. */
thaw_status thaw_onnx_external_map(struct thaw_onnx_external *x, const char *location, uint64_t offset, uint64_t length,
				   const void **data);

/* Unmaps everything. NULL is fine. */
void thaw_onnx_external_close(struct thaw_onnx_external *x);

#endif
