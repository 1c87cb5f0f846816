/* Heat maps of thaw predict: a picture per image and class. */
#ifndef THAW_SRC_CLI_HEATMAP_H
#define THAW_SRC_CLI_HEATMAP_H

#include <jansson.h>

#include "thaw/executor.h"
#include "thaw/image.h"
#include "thaw/model.h"

/* The grid of class scores of the last image. */
struct heatmaps {
	const char *directory; /* --heatmap; NULL: none are wanted, and all else is unused */
	struct thaw_grid grid;
	struct thaw_size size;   /* of the images that the following are for; zeroed: none */
	struct thaw_shape shape; /* of the grid's value, (1,h,w,classes) */
	float *scores, *map;     /* [h * w * classes], [h * w] */
	size_t count;            /* images so far: numbers the pictures */
	bool unwritten;          /* the last error is that of writing a picture, not that of an image */
};

/* Gives the model a grid of class scores. THAW_CONFIG if it can have none. Call before its graph is lowered. */
thaw_status heatmaps_prepare(struct heatmaps *h, struct thaw_model *model);

/* Makes the executor of `graph`, the model's lowered graph, keep the grid, and makes the folder. size: of the first
 * images. Fails as heatmaps_resize does. */
thaw_status heatmaps_open(struct heatmaps *h, const struct thaw_graph *graph, struct thaw_size size,
			  struct thaw_executor *executor);
/* Before the executor runs on an image of another size. THAW_CONFIG if its grid has one position only. */
thaw_status heatmaps_resize(struct heatmaps *h, const struct thaw_graph *graph, struct thaw_size size);
void heatmaps_close(struct heatmaps *h);

/* Writes the pictures of these classes, order[count], of the image that the executor ran on, and adds their paths to
 * `pictures`. preprocess: of this image. */
thaw_status heatmaps_write(struct heatmaps *h, const struct thaw_encoded_image *image,
			   const struct thaw_preprocess *preprocess, const struct thaw_model *model, const int *order,
			   int count, json_t *pictures);

#endif
