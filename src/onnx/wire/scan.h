/* Checks a message in wire format before it is unpacked. Internal to src/onnx/wire. */
#ifndef THAW_ONNX_WIRE_SCAN_H
#define THAW_ONNX_WIRE_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "thaw/error.h"

/* THAW_DATA, naming `file`, unless bytes[size] is a complete message of this type that is safe to unpack: nested at
 * most THAW_ONNX_MAX_DEPTH deep, no singular field twice, all names printable UTF-8. */
thaw_status thaw_onnx_scan(const ProtobufCMessageDescriptor *type, const uint8_t *bytes, size_t size, const char *file);

#endif
