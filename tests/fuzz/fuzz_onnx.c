/* Fuzzes the reader of ONNX files: any bytes, all tensors of what was accepted, every node that can be computed
 * from constants, with the model's tensors or some of these here as its inputs, and the import of the whole. `make
 * fuzz` starts it with ONNX's own test models. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/onnx/constant/operators.h"
#include "src/onnx/import/import.h"

#define MAX_TENSORS  16
#define MAX_OPERANDS 8
#define LIMIT        4096 /* elements */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void expect_message(void)
{
	if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n'))
		abort(); /* an error has a message of one line */
}

/* Reads each byte, so that the sanitizer sees it. */
static void touch(const struct thaw_onnx_constant *c)
{
	volatile uint64_t digest =
		thaw_digest(c->data, (size_t)thaw_shape_count(&c->shape) * thaw_dtype_size(c->type), 0);
	(void)digest;
}

/* Constants that nodes are given: some of the model's, and then some that any model has. */
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
	enum thaw_onnx_outcome answer;
	if (node->n_input > MAX_OPERANDS || node->n_output > MAX_OPERANDS)
		return;
	/* The name's bytes choose, so that the fuzzer can. */
	for (size_t i = 0; i < node->n_input; i++)
		if (node->input[i][0])
			inputs[i] = &constants[(unsigned char)node->input[i][0] % count];
	for (; o.opset <= 18; o.opset += 3) {
		if (thaw_onnx_constant_evaluate(&answer, &o) != THAW_OK) {
			expect_message();
			continue;
		}
		for (size_t i = 0; i < node->n_output && answer == THAW_ONNX_EVALUATED; i++) {
			touch(&outputs[i]);
			thaw_onnx_constant_free(&outputs[i]);
		}
	}
}

/* As a classifier and as any computation. */
static void import(const struct thaw_onnx_file *f)
{
	for (int computation = 0; computation < 2; computation++) {
		struct thaw_onnx_network net;
		const struct thaw_onnx_import_options options = {.size = 8, .computation = computation != 0};
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
