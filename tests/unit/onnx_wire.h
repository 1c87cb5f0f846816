/* Writes protobuf messages byte by byte, so that tests can write invalid ones. */
#ifndef THAW_TESTS_ONNX_WIRE_H
#define THAW_TESTS_ONNX_WIRE_H

#include <assert.h>
#include <stdint.h>
#include <string.h>

#define WIRE_SIZE 65536

struct wire {
	uint8_t bytes[WIRE_SIZE];
	size_t size;
};

static inline void wire_bytes(struct wire *w, const void *bytes, size_t size)
{
	assert(w->size + size <= WIRE_SIZE);
	memcpy(w->bytes + w->size, bytes, size);
	w->size += size;
}

static inline void wire_varint(struct wire *w, uint64_t value)
{
	do {
		uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
		wire_bytes(w, &byte, 1);
		value >>= 7;
	} while (value > 0);
}

/* Writes a number as field `field`. */
static inline void wire_int(struct wire *w, unsigned field, int64_t value)
{
	wire_varint(w, field << 3);
	wire_varint(w, (uint64_t)value);
}

static inline void wire_blob(struct wire *w, unsigned field, const void *bytes, size_t size)
{
	wire_varint(w, field << 3 | 2);
	wire_varint(w, size);
	wire_bytes(w, bytes, size);
}

static inline void wire_text(struct wire *w, unsigned field, const char *text)
{
	wire_blob(w, field, text, strlen(text));
}

static inline void wire_message(struct wire *w, unsigned field, const struct wire *message)
{
	wire_blob(w, field, message->bytes, message->size);
}

/* Field numbers of onnx.proto. */
enum {
	MODEL_IR_VERSION = 1,
	MODEL_GRAPH = 7,
	MODEL_OPSET = 8,
	OPSET_VERSION = 2,
	GRAPH_NODE = 1,
	GRAPH_NAME = 2,
	GRAPH_INITIALIZER = 5,
	NODE_INPUT = 1,
	NODE_OUTPUT = 2,
	NODE_NAME = 3,
	NODE_OP_TYPE = 4,
	NODE_ATTRIBUTE = 5,
	ATTRIBUTE_NAME = 1,
	ATTRIBUTE_I = 3,
	ATTRIBUTE_S = 4,
	ATTRIBUTE_GRAPH = 6,
	ATTRIBUTE_TYPE = 20,
	TENSOR_DIMS = 1,
	TENSOR_TYPE = 2,
	TENSOR_FLOATS = 4,
	TENSOR_INT32S = 5,
	TENSOR_STRINGS = 6,
	TENSOR_NAME = 8,
	TENSOR_RAW = 9,
	TENSOR_EXTERNAL = 13,
	TENSOR_LOCATION = 14,
	ENTRY_KEY = 1,
	ENTRY_VALUE = 2,
};

/* Writes a model whose graph has this node and this initialiser; either may be NULL. */
static inline void wire_model(struct wire *model, const struct wire *node, const struct wire *tensor)
{
	static struct wire graph, opset;
	graph.size = opset.size = model->size = 0;
	if (node)
		wire_message(&graph, GRAPH_NODE, node);
	wire_text(&graph, GRAPH_NAME, "test");
	if (tensor)
		wire_message(&graph, GRAPH_INITIALIZER, tensor);
	wire_int(&opset, OPSET_VERSION, 17);
	wire_int(model, MODEL_IR_VERSION, 8);
	wire_message(model, MODEL_GRAPH, &graph);
	wire_message(model, MODEL_OPSET, &opset);
}

#endif
