/* An .onnx file in memory: the protobuf-c messages of onnx.proto, unpacked after a check of their wire format.
 *
 * Guaranteed: messages nest at most THAW_ONNX_MAX_DEPTH deep, so recursion over them is bounded; there is a graph;
 * every name (all strings except doc_string and the values of metadata and external data) is valid UTF-8 without
 * control characters and may appear in a message. Not checked: counts, types, references between names, contents of
 * tensors. */
#ifndef THAW_ONNX_WIRE_FILE_H
#define THAW_ONNX_WIRE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "onnx.pb-c.h"
#include "src/onnx/wire/external.h"
#include "thaw/error.h"

#define THAW_ONNX_MAX_DEPTH 100 /* nested messages; the limit of protobuf's own libraries */

struct thaw_onnx_file {
	char *path;                          /* for messages */
	Onnx__ModelProto *model;             /* never NULL, nor is its graph */
	struct thaw_onnx_external *external; /* external data; NULL if not read from a file */
	ProtobufCAllocator allocator;        /* internal: allocated the model */
};

/* Reads the file. THAW_IO if it cannot be read, THAW_DATA if it is not an ONNX model. */
thaw_status thaw_onnx_file_open(struct thaw_onnx_file **f, const char *path);

/* The same from bytes[size], which may be released afterwards. External data is refused. `path` is for messages. */
thaw_status thaw_onnx_file_parse(struct thaw_onnx_file **f, const void *bytes, size_t size, const char *path);

/* Whether the file is an ONNX model by its first bytes; false if it cannot be read. */
bool thaw_onnx_file_probe(const char *path);

/* Releases the messages and unmaps external data. NULL is fine. */
void thaw_onnx_file_close(struct thaw_onnx_file *f);

#endif
