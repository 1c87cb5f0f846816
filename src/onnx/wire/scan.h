/* A look over a message in wire format before it is unpacked. Internal to src/onnx. */
#ifndef THAW_ONNX_SCAN_H
#define THAW_ONNX_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "thaw/error.h"

/* THAW_DATA, naming `file`, unless bytes[size] can be unpacked as a message of this type without harm: it is whole,
 * nests at most THAW_ONNX_MAX_DEPTH deep, gives no single field twice, and its names are text. */
thaw_status thaw_onnx_scan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size, const char *file);

#endif
