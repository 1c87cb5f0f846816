/* Runs one forward and one backward pass of a network, for comparison with another framework (networks.py).
 *
 *     dump_network MODEL INPUT OUTPUT COPY
 *
 * INPUT is a safetensors file with "images" (N,3,H,W) and "labels" (N). OUTPUT receives "logits" (N,classes) of
 * training, "inference" (N,classes) of the folded and fused network, and the gradient of the mean cross-entropy
 * for every trainable tensor by its name, in PyTorch's order. COPY receives the model as Thaw saves it. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/thaw.h"

static thaw_status read_images(const struct thaw_weights *input, struct thaw_executor *executor,
			       struct thaw_shape *image)
{
	const struct thaw_named_tensor *t = thaw_weights_find(input, "images");
	const int64_t n = image->dim[0], pixels = image->dim[1] * image->dim[2];
	float *x = thaw_executor_input(executor), *planes = thaw_alloc((size_t)(n * pixels * 3), sizeof(*planes));
	if (!planes)
		return THAW_RESOURCE;
	thaw_to_f32(t->dtype, t->data, planes, n * pixels * 3);
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < 3; c++)
			for (int64_t p = 0; p < pixels; p++)
				x[(i * pixels + p) * 3 + c] = planes[(i * 3 + c) * pixels + p];
	thaw_free(planes);
	return THAW_OK;
}

/* The shape (N,H,W,C) of the images in the file, if it has them and as many labels. */
static thaw_status image_shape(const struct thaw_weights *input, struct thaw_shape *image)
{
	const struct thaw_named_tensor *x = thaw_weights_find(input, "images"), *y = thaw_weights_find(input, "labels");
	if (!x || x->shape.ndim != 4 || x->shape.dim[1] != 3 || !y || thaw_shape_count(&y->shape) != x->shape.dim[0])
		return thaw_fail(THAW_DATA, "no images (N,3,H,W) with labels (N): INPUT: write it with networks.py");
	*image = thaw_shape_of(x->shape.dim[0], x->shape.dim[2], x->shape.dim[3], 3);
	return THAW_OK;
}

static thaw_status loss_gradient(const struct thaw_weights *input, const float *logits, int64_t n, int64_t classes,
				 float *dlogits)
{
	const struct thaw_named_tensor *t = thaw_weights_find(input, "labels");
	float *values = thaw_alloc((size_t)n, sizeof(*values));
	int32_t *labels = thaw_alloc((size_t)n, sizeof(*labels));
	if (values && labels) {
		double loss = 0;
		int64_t correct = 0;
		thaw_to_f32(t->dtype, t->data, values, n);
		for (int64_t i = 0; i < n; i++)
			labels[i] = (int32_t)values[i];
		thaw_cross_entropy(logits, n, classes, labels, 0, dlogits, &loss, &correct);
		for (int64_t i = 0; i < n * classes; i++)
			dlogits[i] /= (float)n;
	}
	thaw_free(values);
	thaw_free(labels);
	return values && labels ? THAW_OK : THAW_RESOURCE;
}

/* Adds a tensor with a copy of the values. */
static thaw_status emit(struct thaw_weights *w, const char *name, struct thaw_shape shape, const float *values)
{
	const int64_t n = thaw_shape_count(&shape);
	float *copy = thaw_alloc((size_t)n, sizeof(*copy));
	char *own_name = thaw_strdup(name);
	if (!copy || !own_name) {
		thaw_free(copy);
		thaw_free(own_name);
		return THAW_RESOURCE;
	}
	memcpy(copy, values, (size_t)n * sizeof(*copy));
	w->tensors[w->count++] = (struct thaw_named_tensor){own_name, THAW_F32, shape, copy};
	return THAW_OK;
}

static thaw_status emit_gradient(struct thaw_weights *w, const struct thaw_param *p, float *gradient)
{
	struct thaw_param view = *p;
	float *ordered = thaw_alloc((size_t)thaw_shape_count(&p->shape), sizeof(*ordered));
	if (!ordered)
		return THAW_RESOURCE;
	view.data = gradient;
	thaw_param_export(&view, ordered);
	thaw_status status = emit(w, p->name, p->file_shape, ordered);
	thaw_free(ordered);
	return status;
}

static thaw_status train_step(struct thaw_graph *g, const struct thaw_weights *input, struct thaw_shape *image,
			      struct thaw_weights *w)
{
	struct thaw_executor *executor = NULL;
	const int64_t n = image->dim[0], classes = g->params[g->nodes[g->head].params[0]].file_shape.dim[0];
	float **gradient = thaw_alloc((size_t)g->param_count, sizeof(*gradient));
	thaw_status status = gradient ? THAW_OK : THAW_RESOURCE;
	for (int i = 0; status == THAW_OK && i < g->param_count; i++) {
		if (g->params[i].role == THAW_ROLE_MEAN || g->params[i].role == THAW_ROLE_VARIANCE)
			continue;
		gradient[i] = thaw_alloc((size_t)thaw_shape_count(&g->params[i].shape), sizeof(**gradient));
		status = gradient[i] ? THAW_OK : THAW_RESOURCE;
	}
	if (status != THAW_OK)
		goto out;
	THAW_TRY_OUT(thaw_graph_unfreeze(g, "all"));
	THAW_TRY_OUT(thaw_executor_create(&executor, g, image, THAW_WHOLE, true));
	THAW_TRY_OUT(read_images(input, executor, image));
	const float *logits = thaw_executor_forward(executor, n, NULL);
	THAW_TRY_OUT(emit(w, "logits", thaw_shape_of(n, classes), logits));
	THAW_TRY_OUT(loss_gradient(input, logits, n, classes, thaw_executor_dlogits(executor)));
	thaw_executor_backward(executor, thaw_executor_dlogits(executor), gradient);
	for (int i = 0; i < g->param_count; i++)
		if (gradient[i])
			THAW_TRY_OUT(emit_gradient(w, &g->params[i], gradient[i]));
out:
	for (int i = 0; gradient && i < g->param_count; i++)
		thaw_free(gradient[i]);
	thaw_free(gradient);
	thaw_executor_destroy(executor);
	return status;
}

static thaw_status infer(struct thaw_graph *g, const struct thaw_weights *input, struct thaw_shape *image,
			 struct thaw_weights *w)
{
	thaw_status status = THAW_OK;
	struct thaw_executor *executor = NULL;
	const int64_t n = image->dim[0], classes = g->params[g->nodes[g->head].params[0]].file_shape.dim[0];
	THAW_TRY_OUT(thaw_graph_unfreeze(g, "none"));
	THAW_TRY_OUT(thaw_pass_fold(g));
	THAW_TRY_OUT(thaw_pass_fuse(g));
	THAW_TRY_OUT(thaw_executor_create(&executor, g, image, THAW_WHOLE, false));
	THAW_TRY_OUT(read_images(input, executor, image));
	THAW_TRY_OUT(emit(w, "inference", thaw_shape_of(n, classes), thaw_executor_forward(executor, n, NULL)));
out:
	thaw_executor_destroy(executor);
	return status;
}

static thaw_status write(const struct thaw_weights *w, const char *path)
{
	struct thaw_file_writer *file = NULL;
	THAW_TRY(thaw_file_writer_open(&file, path));
	thaw_status status = thaw_safetensors_write(w, thaw_file_writer_sink(file));
	if (status != THAW_OK) {
		thaw_file_writer_discard(file);
		return status;
	}
	return thaw_file_writer_commit(file);
}

static thaw_status run(char **argument)
{
	thaw_status status = THAW_OK;
	struct thaw_model *model = NULL;
	struct thaw_weights input = {0}, output = {0};
	struct thaw_shape image;
	THAW_TRY_OUT(thaw_weights_read(&input, argument[2]));
	THAW_TRY_OUT(image_shape(&input, &image));
	THAW_TRY_OUT(thaw_model_load(&model, argument[1], 0, 0));
	output.tensors = thaw_alloc((size_t)model->graph->param_count + 2, sizeof(*output.tensors));
	if (!output.tensors) {
		status = THAW_RESOURCE;
		goto out;
	}
	THAW_TRY_OUT(thaw_model_save(model, argument[4], false));
	THAW_TRY_OUT(train_step(model->graph, &input, &image, &output));
	THAW_TRY_OUT(infer(model->graph, &input, &image, &output));
	THAW_TRY_OUT(write(&output, argument[3]));
out:
	for (int i = 0; i < output.count; i++) {
		thaw_free(output.tensors[i].name);
		thaw_free((void *)output.tensors[i].data);
	}
	thaw_free(output.tensors);
	thaw_weights_free(&input);
	thaw_model_destroy(model);
	return status;
}

int main(int count, char **argument)
{
	thaw_status status =
		count == 5 ? run(argument) : thaw_fail(THAW_USAGE, "usage: dump_network MODEL INPUT OUTPUT COPY");
	if (status != THAW_OK)
		fprintf(stderr, "dump_network: %s\n", thaw_error_message());
	return (int)status;
}
