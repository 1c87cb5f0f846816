/* What a training minimises: the loss of the dataset's task, weighted by image and class.
 *
 * Gradients are of the sum of the weighted losses. The weights are summed beside it, in SLOT_WEIGHT, and the update
 * divides by their sum, as PyTorch's losses with weights do. Without weights that is the number of images. */
#ifndef THAW_SRC_TRAIN_OBJECTIVE_H
#define THAW_SRC_TRAIN_OBJECTIVE_H

#include <jansson.h>

#include "src/ops/losses.h"
#include "thaw/dataset.h"

struct thaw_objective_kind;

struct thaw_objective {
	const struct thaw_objective_kind *kind; /* a line of the table in objective.c */
	const struct thaw_dataset *dataset;
	int outputs;
	double parameter;
	float smoothing;
	/* Of the classes, or for labels the factors (classes,2) of absent and present ones; NULL: none. */
	float *class_weights;
	/* [classes] each, for values: mean and standard deviation of the training targets. The network learns
	 * (value - mean) / deviation. NULL for other tasks. */
	double *mean, *deviation;
	float *standardised; /* [classes] the targets of one image */
	char text[64];       /* name and parameter of the loss, as config.json records it */
};

/* loss: NULL, for the task's own, or the text of --loss; class_weights: NULL, "none", "balanced", numbers separated by
 * commas or the path of a file. THAW_USAGE or THAW_CONFIG if they do not fit the dataset's task, THAW_IO or THAW_DATA
 * if the file cannot be read. Closed by thaw_objective_close, after a failure too. */
thaw_status thaw_objective_open(struct thaw_objective *o, const struct thaw_dataset *dataset, const char *loss,
				const char *class_weights, double smoothing);
void thaw_objective_close(struct thaw_objective *o); /* zeroed is fine */

/* Writes the gradient of the sum of the weighted losses of samples[n] by their outputs (n,outputs) to doutputs. *sums:
 * of the weighted losses, the weights, and the correct predictions, which are not weighted. */
void thaw_objective_loss(const struct thaw_objective *o, const float *outputs, const int64_t *samples, int64_t n,
			 float *doutputs, struct thaw_loss_sums *sums);

/* Writes "several labels per image, loss focal:2, class weights 0.6 to 5" to text[size]. Returns NULL for what is
 * usual: the cross-entropy of one class per image without weights. */
const char *thaw_objective_line(const struct thaw_objective *o, char *text, size_t size);

/* Digest of the class weights. */
uint64_t thaw_objective_digest(const struct thaw_objective *o);

/* class_weights.c: [classes], or (classes,2) for labels; *weights stays NULL if there are none. See
 * thaw_objective_open for the text. */
thaw_status thaw_class_weights_read(float **weights, const struct thaw_dataset *dataset, const char *text);
/* The text, or the numbers that a list or a file has, as config.json records them. NULL if out of memory. */
json_t *thaw_class_weights_json(const struct thaw_objective *o, const char *text);

#endif
