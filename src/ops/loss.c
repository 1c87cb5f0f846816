/* Losses, softmax and sigmoids of (N,C) logits, in double precision: splitting a batch changes its loss in the last
 * bits only. */
#include <math.h>

#include "src/ops/losses.h"
#include "thaw/ops.h"

/* Index of the largest of logit[classes]; the first if several are equal. */
static int64_t top_class(const float *logit, int64_t classes)
{
	int64_t top = 0;
	for (int64_t c = 1; c < classes; c++)
		if (logit[c] > logit[top])
			top = c;
	return top;
}

/* log(sum of exp(logit[classes])). The largest logit is subtracted first, so that exp cannot overflow. */
static double log_sum_exp(const float *logit, int64_t classes, double largest)
{
	double sum = 0;
	for (int64_t c = 0; c < classes; c++)
		sum += exp(logit[c] - largest);
	return largest + log(sum);
}

/* The target t is 1 - smoothing + smoothing/C at the label and smoothing/C elsewhere. As t sums to 1,
 * loss = -sum(t * log softmax) = logsumexp - sum(t * logit), and its gradient is softmax - t. */
void thaw_cross_entropy(const float *logits, int64_t n, int64_t classes, const int32_t *label, float smoothing,
			float *dlogits, double *loss_sum, int64_t *correct)
{
	double base = (double)smoothing / (double)classes;
	*loss_sum = 0;
	*correct = 0;
	for (int64_t i = 0; i < n; i++) {
		const float *logit = logits + i * classes;
		int64_t top = top_class(logit, classes);
		double normalizer = log_sum_exp(logit, classes, logit[top]);
		double loss = (1.0 - (double)smoothing) * (normalizer - logit[label[i]]);
		for (int64_t c = 0; c < classes && smoothing > 0.0f; c++)
			loss += base * (normalizer - logit[c]);
		*loss_sum += loss;
		*correct += top == label[i];
		for (int64_t c = 0; c < classes && dlogits; c++) {
			double target = base + (c == label[i] ? 1.0 - (double)smoothing : 0.0);
			dlogits[i * classes + c] = (float)(exp(logit[c] - normalizer) - target);
		}
	}
}

struct thaw_loss_sums thaw_loss_classes(const struct thaw_loss_input *in, float *doutputs)
{
	double loss;
	int64_t correct;
	thaw_cross_entropy(in->outputs, 1, in->count, &in->label, in->smoothing, doutputs, &loss, &correct);
	return (struct thaw_loss_sums){loss, 1.0, (double)correct};
}

void thaw_softmax(const float *logits, int64_t n, int64_t classes, float *probability)
{
	for (int64_t i = 0; i < n; i++) {
		const float *logit = logits + i * classes;
		double normalizer = log_sum_exp(logit, classes, logit[top_class(logit, classes)]);
		for (int64_t c = 0; c < classes; c++)
			probability[i * classes + c] = (float)exp(logit[c] - normalizer);
	}
}

void thaw_sigmoids(const float *logits, int64_t n, float *probability)
{
	for (int64_t i = 0; i < n; i++)
		probability[i] = (float)thaw_sigmoid(logits[i]);
}

double thaw_sigmoid(double x)
{
	return 1.0 / (1.0 + exp(-x));
}

/* -log sigmoid(x) = log(1 + exp(-x)), for the label; -log(1 - sigmoid(x)) = log(1 + exp(x)), for the other classes. */
double thaw_binary_cross_entropy(const float *logits, int64_t n, int64_t classes, const int32_t *label)
{
	double sum = 0;
	for (int64_t i = 0; i < n; i++)
		for (int64_t c = 0; c < classes; c++) {
			double x = logits[i * classes + c], against = c == label[i] ? -x : x;
			sum += fmax(against, 0.0) + log1p(exp(-fabs(x)));
		}
	return sum / (double)classes;
}
