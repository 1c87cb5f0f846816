#include "src/cli/heatmap.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/heatmap.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define NAME_LENGTH 48 /* bytes of a picture's name that are taken from the image, and from the label */

thaw_status heatmaps_prepare(struct heatmaps *h, struct thaw_model *model)
{
	const struct thaw_size size = model->preprocess.size;
	const struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	if (!h->directory)
		return THAW_OK;
	thaw_status status = thaw_graph_pool_last(model->graph, &image);
	return status == THAW_CONFIG ? thaw_fail_in(status, "no heat map: --heatmap %s", h->directory) : status;
}

static void keep_grid(void *context, int node, const struct thaw_view *value)
{
	struct heatmaps *h = context;
	if (node != h->grid.value)
		return;
	const float *scores = thaw_view_values(value, h->scores);
	if (scores != h->scores)
		memcpy(h->scores, scores, (size_t)thaw_shape_count(&h->shape) * sizeof(*scores));
}

/* Sets the grid's shape. */
static thaw_status find_shape(struct heatmaps *h, const struct thaw_graph *graph, struct thaw_size size)
{
	const struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)graph->node_count, sizeof(*shapes));
	thaw_status status = shapes ? thaw_graph_infer(graph, &image, shapes) : THAW_RESOURCE;
	if (status == THAW_OK)
		h->shape = shapes[h->grid.value];
	thaw_free(shapes);
	return status;
}

thaw_status heatmaps_open(struct heatmaps *h, const struct thaw_graph *graph, struct thaw_size size,
			  struct thaw_executor *executor)
{
	if (!h->directory)
		return THAW_OK;
	if (!thaw_graph_find_grid(graph, &h->grid))
		return thaw_fail(THAW_SOFTWARE, "no grid of class scores: --heatmap: report this");
	thaw_executor_on_value(executor, keep_grid, h);
	THAW_TRY(heatmaps_resize(h, graph, size));
	return thaw_make_directory(h->directory);
}

thaw_status heatmaps_resize(struct heatmaps *h, const struct thaw_graph *graph, struct thaw_size size)
{
	if (!h->directory || thaw_size_equal(size, h->size))
		return THAW_OK;
	heatmaps_close(h);
	THAW_TRY(find_shape(h, graph, size));
	if (h->shape.dim[1] * h->shape.dim[2] == 1)
		return thaw_fail(THAW_CONFIG,
				 "the grid of predictions has one position for images of %d x %d: --heatmap: give a "
				 "larger --size, such as %d",
				 size.height, size.width, 2 * thaw_size_longer(size));
	h->scores = thaw_alloc((size_t)thaw_shape_count(&h->shape), sizeof(*h->scores));
	h->map = thaw_alloc((size_t)(h->shape.dim[1] * h->shape.dim[2]), sizeof(*h->map));
	if (!h->scores || !h->map)
		return THAW_RESOURCE;
	h->size = size;
	return THAW_OK;
}

void heatmaps_close(struct heatmaps *h)
{
	thaw_free(h->scores);
	thaw_free(h->map);
	h->scores = h->map = NULL;
	h->size = (struct thaw_size){0};
}

/* The score of the class less the mean score of all classes: a softmax does not depend on what all scores share. */
static void fill_map(const struct heatmaps *h, int class)
{
	const int64_t positions = h->shape.dim[1] * h->shape.dim[2], classes = h->shape.dim[3];
	for (int64_t i = 0; i < positions; i++) {
		const float *scores = h->scores + i * classes;
		double sum = 0.0;
		for (int64_t c = 0; c < classes; c++)
			sum += scores[c];
		h->map[i] = (float)(scores[class] - sum / (double)classes);
	}
}

/* Copies a name for use in that of a file: letters, digits and a few signs, others become underscores. */
static void copy_plain(char to[NAME_LENGTH + 1], const char *from, size_t length)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t used = 0;
	for (; used < length && used < NAME_LENGTH; used++)
		to[used] = strchr(plain, from[used]) ? from[used] : '_';
	to[used] = '\0';
}

/* DIR/NUMBER-IMAGE-RANK-LABEL.png: numbers differ, so no picture replaces another one of the same command. */
static char *picture_path(const struct heatmaps *h, const char *image, int rank, int class, const char *label)
{
	char name[NAME_LENGTH + 1], text[NAME_LENGTH + 1], number[24];
	const char *slash = strrchr(image, '/'), *start = slash ? slash + 1 : image, *dot = strrchr(start, '.');
	snprintf(number, sizeof(number), "class%d", class);
	label = label ? label : number;
	copy_plain(name, start, dot && dot > start ? (size_t)(dot - start) : strlen(start));
	copy_plain(text, label, strlen(label));
	return thaw_format("%s/%05zu-%s-%d-%s.png", h->directory, h->count, name, rank, text);
}

thaw_status heatmaps_write(struct heatmaps *h, const struct thaw_encoded_image *image,
			   const struct thaw_preprocess *preprocess, const struct thaw_model *model, const int *order,
			   int count, json_t *pictures)
{
	const struct thaw_heatmap map = {.height = (int)h->shape.dim[1],
					 .width = (int)h->shape.dim[2],
					 .reach = {h->grid.reach[0], h->grid.reach[1]},
					 .value = h->map};
	h->count++;
	for (int k = 0; k < count; k++) {
		struct thaw_image picture = {0};
		const char *label = model->labels ? model->labels[order[k]] : NULL;
		char *path = picture_path(h, image->name, k + 1, order[k], label);
		fill_map(h, order[k]);
		thaw_status status = path ? thaw_heatmap_draw(&picture, image, preprocess, &map) : THAW_RESOURCE;
		h->unwritten = status == THAW_OK;
		if (status == THAW_OK)
			status = thaw_image_write_png(&picture, path);
		h->unwritten &= status != THAW_OK;
		if (status == THAW_OK)
			json_array_append_new(pictures, thaw_report_string(path));
		thaw_image_free(&picture);
		thaw_free(path);
		THAW_TRY(status);
	}
	return THAW_OK;
}
