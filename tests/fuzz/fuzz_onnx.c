/* Fuzzes the ONNX reader: parses the bytes, reads all tensors, evaluates every node on constants of the model and of
 * this file, and imports the model. `make fuzz` starts with ONNX's own test models. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/onnx/constant/operators.h"
#include "src/onnx/import/import.h"
#include "thaw/digest.h"

#define MAX_TENSORS  16
#define MAX_OPERANDS 8
#define LIMIT        4096 /* elements of a result */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect_message(void)
{
	if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n'))
		abort(); /* an error must have a one-line message */
}

/* Reads every byte for the sanitizers. */
static void touch(const struct thaw_onnx_constant *c)
{
	volatile uint64_t digest =
		thaw_digest(c->data, (size_t)thaw_shape_count(&c->shape) * thaw_dtype_size(c->type), 0);
	(void)digest;
}

/* Collects operands: tensors of the model, then fixed ones. Returns their number. */
static int collect(struct thaw_onnx_constant *constants, const struct thaw_onnx_file *f)
{
	static const int64_t numbers[6] = {0, 1, 2, -1, 3, 1};
	static const struct thaw_onnx_tensor given[] = {
		{"", THAW_I64, {1, {1}}, numbers + 1, NULL}, {"", THAW_I64, {1, {2}}, numbers, NULL},
		{"", THAW_I64, {2, {2, 3}}, numbers, NULL},  {"", THAW_F32, {3, {2, 1, 6}}, numbers, NULL},
		{"", THAW_BOOL, {1, {6}}, numbers, NULL},
	};
	int count = 0;
	const Onnx__GraphProto *g = f->model->graph;
	for (size_t i = 0; i < g->n_initializer && count < MAX_TENSORS; i++) {
		struct thaw_onnx_tensor t;
		if (thaw_onnx_tensor_read(&t, g->initializer[i], f) != THAW_OK) {
			expect_message();
			continue;
		}
		if (thaw_onnx_constant_from(&constants[count], &t) == THAW_OK)
			touch(&constants[count++]);
		thaw_onnx_tensor_free(&t);
	}
	for (size_t i = 0; i < sizeof(given) / sizeof(*given); i++)
		if (thaw_onnx_constant_from(&constants[count], &given[i]) == THAW_OK)
			count++;
	return count;
}

static void evaluate(const struct thaw_onnx_file *f, const Onnx__NodeProto *node,
		     const struct thaw_onnx_constant *constants, int count)
{
	const struct thaw_onnx_constant *inputs[MAX_OPERANDS] = {0};
	struct thaw_onnx_constant outputs[MAX_OPERANDS];
	struct thaw_onnx_operation o = {node, 9, f, LIMIT, inputs, (int)node->n_input, outputs, (int)node->n_output};
	enum thaw_onnx_outcome outcome;
	if (node->n_input > MAX_OPERANDS || node->n_output > MAX_OPERANDS)
		return;
	/* The input's name selects the operand, so that the fuzzer can vary it. */
	for (size_t i = 0; i < node->n_input; i++)
		if (node->input[i][0])
			inputs[i] = &constants[(unsigned char)node->input[i][0] % count];
	for (; o.opset <= 18; o.opset += 3) {
		if (thaw_onnx_constant_evaluate(&outcome, &o) != THAW_OK) {
			expect_message();
			continue;
		}
		for (size_t i = 0; i < node->n_output && outcome == THAW_ONNX_EVALUATED; i++) {
			touch(&outputs[i]);
			thaw_onnx_constant_free(&outputs[i]);
		}
	}
}

/* Imports the model as a classifier and as a computation. */
static void import(const struct thaw_onnx_file *f)
{
	for (int computation = 0; computation < 2; computation++) {
		struct thaw_onnx_network net;
		const struct thaw_onnx_import_options options = {
			.height = 8, .width = 8, .computation = computation != 0};
		if (thaw_onnx_import(&net, f, &options) == THAW_OK)
			thaw_graph_destroy(net.graph);
		else
			expect_message();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_onnx_file *f;
	struct thaw_onnx_constant constants[MAX_TENSORS + MAX_OPERANDS];
	if (thaw_onnx_file_parse(&f, bytes, size, "fuzz") != THAW_OK) {
		expect_message();
		return 0;
	}
	int count = collect(constants, f);
	for (size_t i = 0; i < f->model->graph->n_node; i++)
		evaluate(f, f->model->graph->node[i], constants, count);
	import(f);
	for (int i = 0; i < count; i++)
		thaw_onnx_constant_free(&constants[i]);
	thaw_onnx_file_close(f);
	return 0;
}
