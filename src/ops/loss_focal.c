/* The focal loss of a softmax: -(1 - p)^gamma log p for the probability p of the label (Lin et al., "Focal Loss for
 * Dense Object Detection", ICCV 2017, without their alpha: class weights do that). gamma 0 is the cross-entropy. */
#include <math.h>

#include "src/ops/losses.h"

/* log(sum of exp(x[n])), given the largest of them. */
static double log_sum_exp(const float *x, int64_t n, double largest)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		sum += exp(x[i] - largest);
	return largest + log(sum);
}

static int64_t find_largest(const float *x, int64_t n)
{
	int64_t top = 0;
	for (int64_t i = 1; i < n; i++)
		if (x[i] > x[top])
			top = i;
	return top;
}

/* With q = 1 - p, the derivative by log p is -q^gamma + gamma q^(gamma - 1) p log p, and that of log p by logit c is
 * [c is the label] - p_c. 1/q is combined with p_c <= q, which keeps it finite for gamma < 1. */
struct thaw_loss_sums thaw_loss_focal(const struct thaw_loss_input *in, float *doutputs)
{
	const float *x = in->outputs;
	int64_t top = find_largest(x, in->count);
	double normalizer = log_sum_exp(x, in->count, x[top]);
	double log_p = x[in->label] - normalizer, p = exp(log_p), q = -expm1(log_p), gamma = in->parameter;
	double scale = pow(q, gamma);
	for (int64_t c = 0; c < in->count && doutputs; c++) {
		double part = c == in->label ? q : -exp(x[c] - normalizer);
		double over_q = q > 0.0 ? part / q : 0.0;
		doutputs[c] = (float)(-scale * part + gamma * scale * over_q * p * log_p);
	}
	return (struct thaw_loss_sums){-scale * log_p, 1.0, top == in->label};
}
