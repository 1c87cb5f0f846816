/* One of ONNX's own node tests (package libonnx-testdata): a model of a node, or of its expansion into other nodes,
 * with inputs and expected outputs. */
#ifndef THAW_TESTS_UNIT_ONNX_NODE_TEST_H
#define THAW_TESTS_UNIT_ONNX_NODE_TEST_H

#include "tests/scratch.h"

#include "src/onnx/constant/operators.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define NODE_TESTS    "/usr/share/libonnx-testdata/data/node"
#define NODE_TENSORS  32                 /* limit of inputs or outputs of a test */
#define NODE_FILE_MAX (INT64_C(1) << 24) /* limit of a tensor file, bytes */
#define NODE_NAME     160

struct node_tensors {
	int count;
	bool known[NODE_TENSORS]; /* Thaw supports its type */
	struct thaw_onnx_constant tensor[NODE_TENSORS];
};

struct node_test {
	char name[NODE_NAME];
	char op_type[NODE_NAME];
	struct thaw_onnx_file *file;
	struct node_tensors in, out; /* in the order of the graph's inputs and outputs */
};

/* The element type of an input or output; 0 for sequences and optionals, which have other file formats. */
static inline int32_t declared_type(const Onnx__ValueInfoProto *value)
{
	const Onnx__TypeProto *type = value->type;
	return type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ? type->tensor_type->elem_type : 0;
}

/* False if its type is not supported. */
static inline bool load_tensor(struct thaw_onnx_constant *c, const char *path, int32_t declared)
{
	void *bytes;
	size_t size;
	struct thaw_onnx_file file = {.path = (char *)path};
	struct thaw_onnx_tensor t;
	enum thaw_dtype type;
	if (!declared)
		return false;
	assert_int_equal(thaw_file_read(&bytes, &size, path, NODE_FILE_MAX), THAW_OK);
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, size, bytes);
	thaw_free(bytes);
	assert_non_null(p);
	if (p->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__UINT16)
		p->data_type = declared; /* the files store bfloat16 with another type */
	bool known = thaw_onnx_type(p->data_type, &type);
	if (known) {
		if (thaw_onnx_tensor_read(&t, p, &file) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		assert_int_equal(thaw_onnx_constant_from(c, &t), THAW_OK);
		thaw_onnx_tensor_free(&t);
	}
	onnx__tensor_proto__free_unpacked(p, NULL);
	return known;
}

static inline void load_tensors(struct node_tensors *t, const char *test, const char *kind, size_t count,
				Onnx__ValueInfoProto *const *values)
{
	assert_true(count <= NODE_TENSORS);
	t->count = (int)count;
	for (int i = 0; i < t->count; i++) {
		char path[SCRATCH_PATH];
		snprintf(path, sizeof(path), NODE_TESTS "/%s/test_data_set_0/%s_%d.pb", test, kind, i);
		t->known[i] = load_tensor(&t->tensor[i], path, declared_type(values[i]));
	}
}

static inline void release_tensors(struct node_tensors *t)
{
	for (int i = 0; i < t->count; i++)
		thaw_onnx_constant_free(&t->tensor[i]);
}

static inline struct thaw_onnx_file *open_node_model(const char *test)
{
	char path[SCRATCH_PATH];
	struct thaw_onnx_file *file;
	snprintf(path, sizeof(path), NODE_TESTS "/%s/model.onnx", test);
	if (thaw_onnx_file_open(&file, path) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return file;
}

/* Finds the operator under test. "test_x_expanded" is the operator of test_x, expanded into other nodes. */
static inline void find_operator(struct node_test *t)
{
	static const char suffix[] = "_expanded";
	char base[NODE_NAME];
	snprintf(base, sizeof(base), "%s", t->name);
	size_t length = strlen(base), end = strlen(suffix);
	bool expanded = length > end && strcmp(base + length - end, suffix) == 0;
	if (expanded)
		base[length - end] = '\0';
	struct thaw_onnx_file *file = expanded ? open_node_model(base) : t->file;
	const Onnx__GraphProto *g = file->model->graph;
	assert_true(g->n_node > 0); /* the nodes before it make its constants */
	snprintf(t->op_type, sizeof(t->op_type), "%s", g->node[g->n_node - 1]->op_type);
	if (expanded)
		thaw_onnx_file_close(file);
}

static inline void node_test_open(struct node_test *t, const char *name)
{
	*t = (struct node_test){0};
	snprintf(t->name, sizeof(t->name), "%s", name);
	t->file = open_node_model(name);
	const Onnx__GraphProto *g = t->file->model->graph;
	find_operator(t);
	load_tensors(&t->in, name, "input", g->n_input, g->input);
	load_tensors(&t->out, name, "output", g->n_output, g->output);
}

static inline void node_test_close(struct node_test *t)
{
	release_tensors(&t->in);
	release_tensors(&t->out);
	thaw_onnx_file_close(t->file);
}

#endif
