/* Activations after a linear layer: the layer may be the classifier, whose scores the model clips, or a hidden
 * layer of a network without a classifier. The operators are the same; only the layer's name tells them apart. */
#include <string.h>

#include "src/onnx/import/importer.h"

#define WORD 32 /* bytes; longer parts of a name are not looked for */

static bool is_one_of(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

bool thaw_onnx_is_activation(const Onnx__NodeProto *n)
{
	static const char *const list[] = {
		"Celu", "Clip", "Elu",      "Gelu",     "HardSigmoid", "HardSwish", "LeakyRelu",       "Mish", "PRelu",
		"Relu", "Selu", "Softplus", "Softsign", "Swish",       "Tanh",      "ThresholdedRelu", NULL};
	return is_one_of(n->op_type, list);
}

/* Whether the name of a module, with parts between dots or slashes, is that of a classifier. */
static bool is_head(const char *module, size_t length)
{
	static const char *const heads[] = {"_fc",         "classifier", "fc",          "head", "head_dist",
					    "last_linear", "logits",     "predictions", NULL};
	static const char *const hidden[] = {"embed", "embedding", "neck", "pooler", "pre_logits", "projection", NULL};
	bool head = false;
	for (size_t at = 0; at < length;) {
		char word[WORD] = "";
		size_t n = 0;
		while (at + n < length && module[at + n] != '.' && module[at + n] != '/')
			n++;
		if (n > 0 && n < WORD)
			memcpy(word, module + at, n);
		if (is_one_of(word, hidden))
			return false;
		if (n > 0)
			head = is_one_of(word, heads);
		at += n + 1;
	}
	return head;
}

/* The module of a layer is what comes before ".weight", or before the operator in "/fc/Gemm". */
bool thaw_onnx_is_called_head(const struct thaw_onnx_importer *m, const Onnx__NodeProto *layer)
{
	for (size_t k = 1; k < layer->n_input; k++) {
		const struct thaw_onnx_value *weight = thaw_onnx_value_find(m, layer->input[k]);
		const char *dot = weight && weight->initializer ? strrchr(weight->name, '.') : NULL;
		if (dot && is_head(weight->name, (size_t)(dot - weight->name)))
			return true;
	}
	const char *slash = layer->name ? strrchr(layer->name, '/') : NULL;
	return slash && is_head(layer->name, (size_t)(slash - layer->name));
}

const Onnx__NodeProto *thaw_onnx_activated_layer(const struct thaw_onnx_importer *m, const Onnx__NodeProto *activation,
						 bool *head)
{
	enum { FEW = 4 }; /* a bias, the mean of two classifiers, a change of shape */
	const Onnx__NodeProto *n = activation;
	for (int step = 0; step < FEW; step++) {
		static const char *const between[] = {"Add",      "Cast", "Div",     "Dropout", "Flatten",
						      "Identity", "Mul",  "Reshape", NULL};
		const struct thaw_onnx_value *v = NULL;
		for (size_t k = 0; k < n->n_input && !(v && v->producer >= 0); k++) /* of an Add, not the bias */
			v = thaw_onnx_value_find(m, n->input[k]);
		n = v && v->producer >= 0 ? m->nodes[v->producer] : NULL;
		if (n && (strcmp(n->op_type, "Gemm") == 0 || strcmp(n->op_type, "MatMul") == 0)) {
			*head = thaw_onnx_is_called_head(m, n);
			return n;
		}
		if (!n || !is_one_of(n->op_type, between))
			return NULL;
	}
	return NULL;
}
