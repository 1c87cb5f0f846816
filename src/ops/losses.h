/* The losses of one image, and their gradients. src/train/objective.c chooses among them, applies the weights of images
 * and classes, and sums over images. */
#ifndef THAW_SRC_OPS_LOSSES_H
#define THAW_SRC_OPS_LOSSES_H

#include <stdbool.h>
#include <stdint.h>

/* What a loss is computed from. */
struct thaw_loss_input {
	const float *outputs; /* [count] of the network */
	int64_t count;
	int32_t label;        /* class or grade */
	const float *targets; /* [count], for labels (0 or 1) and values; NaN: not known. NULL for the other losses */
	const float *balance; /* (count,2): factors of absent and of present labels; NULL: all 1 */
	double parameter;     /* gamma of the focal losses, delta of Huber's */
	float smoothing;      /* fraction of the target that is spread over all classes */
};

struct thaw_loss_sums {
	double loss;
	double weight;  /* what the loss is divided by for a mean; 1 for an image whose targets are all known */
	double correct; /* 1 if the prediction is right; for labels the fraction that is. 0 for values */
};

/* Returns the loss and writes its gradient to doutputs[count] (NULL: none). */
typedef struct thaw_loss_sums thaw_loss_function(const struct thaw_loss_input *in, float *doutputs);

/* loss.c: softmax cross-entropy; loss_focal.c: the focal loss of a softmax. */
thaw_loss_function thaw_loss_classes, thaw_loss_focal;

/* loss_labels.c: the mean over the known labels of the binary cross-entropy, and its focal form. */
thaw_loss_function thaw_loss_labels, thaw_loss_focal_labels;

/* loss_grades.c: the negative logarithm of the grade's probability. `count` outputs are for count + 1 grades. */
thaw_loss_function thaw_loss_grades;
/* probability[count + 1] of the grades. */
void thaw_grade_probabilities(const float *outputs, int64_t count, float *probability);
/* The predicted grade, 0 .. count: the median of these probabilities. */
int32_t thaw_grade_predict(const float *outputs, int64_t count);

/* loss_values.c: the mean over the known values of the squared error, or of Huber's function of the error. */
thaw_loss_function thaw_loss_squares, thaw_loss_huber;

/* 1 / (1 + exp(-x)) */
double thaw_sigmoid(double x);

#endif
