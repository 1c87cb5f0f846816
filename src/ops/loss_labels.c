/* Losses of several labels per image: each output is the logit of one label, and the loss is the mean over the known
 * labels of -(1 - p)^gamma log p, where p is the probability of what is true of the label. gamma 0 is the binary
 * cross-entropy, as PyTorch's BCEWithLogitsLoss. */
#include <math.h>

#include "src/ops/losses.h"

/* The loss of one label and its derivative by s, the logit of what is true of it: with q = 1 - p,
 * d log p / ds = q, so the derivative is -q^(gamma + 1) + gamma q^gamma p log p. */
static double label_loss(double s, double gamma, double *derivative)
{
	double log_p = fmin(s, 0.0) - log1p(exp(-fabs(s)));
	double p = thaw_sigmoid(s), q = thaw_sigmoid(-s), scale = gamma > 0.0 ? pow(q, gamma) : 1.0;
	*derivative = -scale * q + gamma * scale * p * log_p;
	return -scale * log_p;
}

/* The weight is the sum of the factors of the known labels divided by the number of labels: it is 1 if all are known
 * and have the factor 1, and a sum over images divided by their weights is a mean over the known labels. */
static struct thaw_loss_sums sum_labels(const struct thaw_loss_input *in, double gamma, float *doutputs)
{
	struct thaw_loss_sums sums = {0};
	int64_t known = 0;
	double count = (double)in->count;
	for (int64_t c = 0; c < in->count; c++) {
		bool is_known = !isnan(in->targets[c]), present = is_known && in->targets[c] > 0.5f;
		double x = in->outputs[c], derivative;
		double factor = in->balance ? in->balance[2 * c + present] : 1.0;
		double loss = label_loss(present ? x : -x, gamma, &derivative);
		if (doutputs)
			doutputs[c] = is_known ? (float)(factor * (present ? derivative : -derivative) / count) : 0.0f;
		if (!is_known)
			continue;
		known++;
		sums.loss += factor * loss;
		sums.weight += factor;
		sums.correct += (x >= 0.0) == present;
	}
	sums.loss /= count;
	sums.weight /= count;
	sums.correct /= known > 0 ? (double)known : 1.0;
	return sums;
}

struct thaw_loss_sums thaw_loss_labels(const struct thaw_loss_input *in, float *doutputs)
{
	return sum_labels(in, 0.0, doutputs);
}

struct thaw_loss_sums thaw_loss_focal_labels(const struct thaw_loss_input *in, float *doutputs)
{
	return sum_labels(in, in->parameter, doutputs);
}
