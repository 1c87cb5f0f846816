/* The two classifiers of a distilled DeiT (Touvron et al., ICML 2021) as one: the network's scores are the mean of the
 * one's of the class token and of the other's of the distillation token, hence one linear layer of both tokens. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/vit.h"
#include "thaw/memory.h"

static const char *const heads[][2] = {{"head", "head_dist"}, {"cls_classifier", "distillation_classifier"}};

static int find(const struct thaw_weights *w, const char *layer, const char *what)
{
	char name[THAW_LAYER_NAME];
	snprintf(name, sizeof(name), "%s.%s", layer, what);
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	return t ? (int)(t - w->tensors) : -1;
}

static void remove_tensor(struct thaw_weights *w, int i)
{
	thaw_free(w->tensors[i].name);
	w->count--;
	memmove(&w->tensors[i], &w->tensors[i + 1], (size_t)(w->count - i) * sizeof(*w->tensors));
	if (w->dict_count > 0)
		w->dicts[w->selected].count = w->count;
}

/* Halves of weights (O,C) side by side as (O,2C), or the mean of biases (O), in to[2 * count]. */
static void merge(const struct thaw_named_tensor *a, const struct thaw_named_tensor *b, float *to)
{
	const int64_t rows = a->shape.dim[0], columns = a->shape.ndim == 2 ? a->shape.dim[1] : 1;
	const int64_t count = rows * columns;
	float *from = to + 2 * count;
	thaw_to_f32(a->dtype, a->data, from, count);
	thaw_to_f32(b->dtype, b->data, from + count, count);
	for (int64_t i = 0; i < 2 * count; i++)
		from[i] /= 2;
	for (int64_t o = 0; o < rows; o++) {
		const float *first = from + o * columns, *second = first + count;
		if (a->shape.ndim == 2) {
			memcpy(to + 2 * o * columns, first, (size_t)columns * sizeof(*to));
			memcpy(to + (2 * o + 1) * columns, second, (size_t)columns * sizeof(*to));
		} else {
			to[o] = *first + *second;
		}
	}
}

/* Merges tensor k into tensor i; values of both, and room for two more copies, at *to. */
static void merge_tensors(struct thaw_weights *w, int i, int k, float **to)
{
	struct thaw_named_tensor *t = &w->tensors[i];
	const int64_t count = thaw_shape_count(&t->shape);
	merge(t, &w->tensors[k], *to);
	t->data = *to;
	t->dtype = THAW_F32;
	if (t->shape.ndim == 2)
		t->shape.dim[1] *= 2;
	*to += 4 * count;
	remove_tensor(w, k);
}

static thaw_status merge_heads(struct thaw_weights *w, const char *const *layer, void **memory)
{
	int weight = find(w, layer[0], "weight"), other_weight = find(w, layer[1], "weight");
	int bias = find(w, layer[0], "bias"), other_bias = find(w, layer[1], "bias");
	if (weight < 0 || other_weight < 0 || bias < 0 || other_bias < 0)
		return THAW_OK;
	const struct thaw_named_tensor *t = w->tensors;
	if (t[weight].shape.ndim != 2 || t[bias].shape.ndim != 1 ||
	    !thaw_shape_equal(&t[weight].shape, &t[other_weight].shape) ||
	    !thaw_shape_equal(&t[bias].shape, &t[other_bias].shape))
		return thaw_fail(THAW_DATA, "two classifiers of different shapes: tensors %s and %s", t[weight].name,
				 t[other_weight].name);
	float *to = *memory = thaw_alloc(
		4 * (size_t)(thaw_shape_count(&t[weight].shape) + thaw_shape_count(&t[bias].shape)), sizeof(*to));
	if (!to)
		return THAW_RESOURCE;
	merge_tensors(w, weight, other_weight, &to);
	merge_tensors(w, find(w, layer[0], "bias"), find(w, layer[1], "bias"), &to);
	return THAW_OK;
}

thaw_status thaw_vit_merge_heads(struct thaw_weights *w, void **memory)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads) && !*memory; i++)
		THAW_TRY(merge_heads(w, heads[i], memory));
	return THAW_OK;
}
