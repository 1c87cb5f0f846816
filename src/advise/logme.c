/* LogME. The target y_c (1 for images of class c, else 0) is F w + noise, with w of variance 1/a and noise of variance
 * 1/b. In terms of the spectrum (eigenvalues s_i of F' F, x_i = u_i . y, r the rest of |y|^2) and t = a / b,
 * the best b is n / q(t), with q = sum x_i^2 t / (t + s_i) + r, and the logarithm of the evidence
 *
 *     n/2 (log(n / (2 pi q)) - 1) + 1/2 sum log(t / (t + s_i)).
 *
 * t is a fixed point of the iteration of You et al., arXiv 2110.10545, which needs no matrix. The iteration always
 * increases the evidence, but converges slowly if the features explain a class exactly (t goes to 0) or not at all (t
 * goes to infinity). Here it gives only the direction; steps double until the direction changes, then bisection
 * follows.
 */
#include <math.h>

#include "src/advise/scores.h"
#include "src/advise/spectrum.h"
#include "src/base/try.h"

#define CLOSE 1e-9  /* tolerance of log t; the error of the evidence is of the order of its square */
#define EXACT 1e-12 /* of |y|^2: smaller residuals are rounding errors of single-precision features */
#define MIN_T 1e-16 /* bounds of t in units of the largest eigenvalue; the evidence is constant beyond them */
#define MAX_T 1e10

/* One class against the rest. */
struct target {
	const struct thaw_spectrum *s;
	const double *x; /* [rank] */
	double square;   /* |y|^2, the number of images of the class */
	double residual; /* the part of |y|^2 that the features do not explain */
};

/* The change of log t by one iteration: t becomes a / b with a = gamma / |w|^2, b = (n - gamma) / |F w - y|^2, where
 * gamma is the sum of s_i / (s_i + t). The evidence rises in this direction. */
static double iteration_step(const struct target *y, double log_t)
{
	const struct thaw_spectrum *s = y->s;
	const double t = exp(log_t);
	double gamma = 0.0, rest = (double)(s->count - s->rank), weights = 0.0, error = y->residual;
	for (int64_t i = 0; i < s->rank; i++) {
		double retained = s->value[i] / (s->value[i] + t), lost = t / (s->value[i] + t);
		double x2 = y->x[i] * y->x[i];
		gamma += retained;
		rest += lost; /* n - gamma */
		weights += x2 * retained * retained / s->value[i];
		error += x2 * lost * lost;
	}
	return log(gamma / weights * (error / rest)) - log_t;
}

static double log_evidence(const struct target *y, double t)
{
	const struct thaw_spectrum *s = y->s;
	const double n = (double)s->count;
	double q = y->residual, logarithms = 0.0;
	for (int64_t i = 0; i < s->rank; i++) {
		double lost = t / (t + s->value[i]);
		q += y->x[i] * y->x[i] * lost;
		logarithms += log(lost);
	}
	return n / 2 * (log(n / (2 * M_PI * q)) - 1) + logarithms / 2;
}

static struct target target_of(const struct thaw_spectrum *s, int class)
{
	struct target y = {s, s->projection + class * s->rank, (double)s->images[class], 0.0};
	double explained = 0.0;
	for (int64_t i = 0; i < s->rank; i++)
		explained += y.x[i] * y.x[i];
	if (s->rank < s->count)
		y.residual = fmax(y.square - explained, EXACT * y.square);
	return y;
}

/* The fixed point in the direction of rising evidence from log t, or the bound in that direction. */
static double climb(const struct target *y, double log_t, double low, double high)
{
	const double up = iteration_step(y, log_t);
	double near, far = log_t, step = fmax(fabs(up), CLOSE);
	do {
		near = far;
		far = fmin(fmax(near + copysign(step, up), low), high);
		step *= 2;
	} while (far != near && iteration_step(y, far) * up > 0.0);
	while (fabs(far - near) > CLOSE) {
		double middle = (near + far) / 2;
		if (iteration_step(y, middle) * up > 0.0)
			near = middle;
		else
			far = middle;
	}
	return (near + far) / 2;
}

/* Starts from the mean square of a feature, so that the result does not depend on the scale of the features. */
static double evidence_of_class(const struct thaw_spectrum *s, int class)
{
	const struct target y = target_of(s, class);
	if (s->rank == 0) /* all features are 0 */
		return log_evidence(&y, 1.0);
	double sum = 0.0;
	for (int64_t i = 0; i < s->rank; i++)
		sum += s->value[i];
	const double low = log(MIN_T * s->value[s->rank - 1]), high = log(MAX_T * s->value[s->rank - 1]);
	const double start = log(sum / ((double)s->count * (double)s->width));
	return log_evidence(&y, exp(climb(&y, fmax(start, low), low, high)));
}

thaw_status thaw_logme(const struct thaw_feature_table *t, double *score)
{
	struct thaw_spectrum s;
	THAW_TRY(thaw_feature_table_check(t));
	THAW_TRY(thaw_spectrum_create(t, false, &s));
	double sum = 0.0;
	int present = 0;
	for (int c = 0; c < t->classes; c++)
		if (s.images[c] > 0) {
			sum += evidence_of_class(&s, c) / (double)t->count;
			present++;
		}
	thaw_spectrum_destroy(&s);
	*score = sum / present;
	return THAW_OK;
}
