/* Ordinal grades 0 .. K-1 from K - 1 outputs: output k is the logit of "above k, given at least k" (CORN: Shi, Cao,
 * Raschka, "Deep Neural Networks for Rank-Consistent Ordinal Regression Based On Conditional Probabilities", Pattern
 * Analysis and Applications 26, 2023). So P(above k) is the product of the sigmoids of outputs 0 .. k, which falls with
 * k for any outputs, and P(grade k) = P(above k - 1) (1 - sigmoid k).
 *
 * The loss of an image is the sum over k of the binary cross-entropy of output k, as far as the condition holds, which
 * is -log P(its grade): K = 2 is the cross-entropy of a sigmoid. CORN's authors divide by the number of terms, here the
 * mean is over images, so that weights of images mean the same as for classes. */
#include <math.h>

#include "src/ops/losses.h"

struct thaw_loss_sums thaw_loss_grades(const struct thaw_loss_input *in, float *doutputs)
{
	struct thaw_loss_sums sums = {.weight = 1.0};
	for (int64_t k = 0; k < in->count; k++) {
		double x = in->outputs[k], against = in->label > k ? -x : x;
		bool holds = in->label >= k;
		if (doutputs)
			doutputs[k] = holds ? (float)(thaw_sigmoid(x) - (in->label > k)) : 0.0f;
		if (holds)
			sums.loss += fmax(against, 0.0) + log1p(exp(-fabs(x)));
	}
	sums.correct = thaw_grade_predict(in->outputs, in->count) == in->label;
	return sums;
}

void thaw_grade_probabilities(const float *outputs, int64_t count, float *probability)
{
	double above = 1.0;
	for (int64_t k = 0; k < count; k++) {
		probability[k] = (float)(above * thaw_sigmoid(-(double)outputs[k]));
		above *= thaw_sigmoid(outputs[k]);
	}
	probability[count] = (float)above;
}

int32_t thaw_grade_predict(const float *outputs, int64_t count)
{
	double above = 1.0;
	int32_t grade = 0;
	for (; grade < count; grade++) {
		above *= thaw_sigmoid(outputs[grade]);
		if (!(above > 0.5))
			break;
	}
	return grade;
}
