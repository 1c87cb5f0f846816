/* Losses of numbers: the mean over the known values of the squared error, as PyTorch's MSELoss, or of Huber's function
 * of the error e (HuberLoss): e^2 / 2 up to |e| = delta, and delta (|e| - delta / 2) above. */
#include <math.h>

#include "src/ops/losses.h"

static double square(double e, double delta, double *derivative)
{
	(void)delta;
	*derivative = 2.0 * e;
	return e * e;
}

static double huber(double e, double delta, double *derivative)
{
	bool near = fabs(e) <= delta;
	*derivative = near ? e : copysign(delta, e);
	return near ? e * e / 2.0 : delta * (fabs(e) - delta / 2.0);
}

/* The weight is the share of the values that are known. */
static struct thaw_loss_sums sum_values(const struct thaw_loss_input *in, float *doutputs,
					double (*function)(double e, double delta, double *derivative))
{
	struct thaw_loss_sums sums = {0};
	double count = (double)in->count;
	for (int64_t c = 0; c < in->count; c++) {
		bool known = !isnan(in->targets[c]);
		double derivative = 0.0;
		double loss =
			known ? function((double)in->outputs[c] - in->targets[c], in->parameter, &derivative) : 0.0;
		if (doutputs)
			doutputs[c] = (float)(derivative / count);
		sums.loss += loss / count;
		sums.weight += known;
	}
	sums.weight /= count;
	return sums;
}

struct thaw_loss_sums thaw_loss_squares(const struct thaw_loss_input *in, float *doutputs)
{
	return sum_values(in, doutputs, square);
}

struct thaw_loss_sums thaw_loss_huber(const struct thaw_loss_input *in, float *doutputs)
{
	return sum_values(in, doutputs, huber);
}
