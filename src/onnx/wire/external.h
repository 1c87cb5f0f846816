/* The files beside a model that hold its tensors. They never leave the model's folder. */
#ifndef THAW_ONNX_EXTERNAL_H
#define THAW_ONNX_EXTERNAL_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

struct thaw_onnx_external;

/* Remembers the folder that model_path lies in; no file is opened yet. */
thaw_status thaw_onnx_external_open(struct thaw_onnx_external **x, const char *model_path);

/* *data = the `length` bytes from `offset` on of the file `location`, relative to the folder. The file is mapped once,
 * read-only, and stays until thaw_onnx_external_close; it must not shrink until then. THAW_DATA, naming model and
 * location, if the location is absolute, has ".." in it, passes through a symbolic link, is not a regular file, or
 * ends before the bytes do; THAW_IO if it cannot be read. */
thaw_status thaw_onnx_external_map(struct thaw_onnx_external *x, const char *location, uint64_t offset, uint64_t length,
				   const void **data);

/* Unmaps everything. NULL is fine. */
void thaw_onnx_external_close(struct thaw_onnx_external *x);

#endif
