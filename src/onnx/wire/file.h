/* An .onnx file in memory: its messages, as protobuf-c makes them of onnx.proto, after they were found to be harmless.
 *
 * What can be relied on: messages nest at most THAW_ONNX_MAX_DEPTH deep, so recursion over them is bounded; there is a
 * graph; every name (all strings but doc_string and the values of metadata and external data) is valid UTF-8 without
 * control characters and may stand in a message. Nothing else has been checked: counts, types, references between names
 * and the contents of tensors are as the file says. */
#ifndef THAW_ONNX_FILE_H
#define THAW_ONNX_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"
#include "src/onnx/wire/external.h"
#include "thaw/error.h"

#define THAW_ONNX_MAX_DEPTH 100 /* messages within messages, as protobuf's own libraries have it */

struct thaw_onnx_file {
	const char *path;                    /* for messages */
	const Onnx__ModelProto *model;       /* never NULL, nor is its graph */
	struct thaw_onnx_external *external; /* the files beside it; NULL when it did not come from a file */
	ProtobufCAllocator allocator;        /* internal: where model came from */
};

/* Reads the file. THAW_IO when it cannot be read, THAW_DATA when it is no ONNX model. */
thaw_status thaw_onnx_file_open(struct thaw_onnx_file **f, const char *path);

/* The same from bytes[size], which may be released afterwards; tensors outside are refused. `path` is for messages. */
thaw_status thaw_onnx_file_parse(struct thaw_onnx_file **f, const void *bytes, size_t size, const char *path);

/* Releases the messages and everything mapped beside them. NULL is fine. */
void thaw_onnx_file_close(struct thaw_onnx_file *f);

#endif
