/* H-score, trace(C^-1 B): C is the covariance of the features, B the covariance of the class means.
 *
 * C is shrunk towards a multiple of the identity, (1 - a) C + a m I with m = trace(C) / width, and B to (1 - a) B, with
 * a by Ledoit and Wolf (2004). With eigenvalues l_i of C and x_ci = u_i . y_c of the centred features, trace(..) = sum
 * over c and i of x_ci^2 / n_c * l_i / ((1 - a) l_i + a m). */
#include <math.h>

#include "src/advise/scores.h"
#include "src/advise/spectrum.h"
#include "src/base/try.h"

#define ROUNDING 1e-12

/* The shrinkage a of Ledoit and Wolf: variance of the elements of C over the squared distance of C from m I, at most 1.
 */
static double shrinkage(const struct thaw_spectrum *s, double trace)
{
	const double n = (double)s->count;
	double squares = 0.0; /* |C|^2 */
	for (int64_t i = 0; i < s->rank; i++)
		squares += s->value[i] / n * (s->value[i] / n);
	double distance = squares - trace * trace / (double)s->width;
	double variance = (s->fourth / n - squares) / n;
	if (variance <= 0.0 || distance <= ROUNDING * squares) /* C is m I already, as with a single feature */
		return 0.0;
	return variance < distance ? variance / distance : 1.0;
}

/* The score of features that vary; s: their centred spectrum. */
static double shrunk_score(const struct thaw_spectrum *s)
{
	const double n = (double)s->count;
	double trace = 0.0, sum = 0.0;
	for (int64_t i = 0; i < s->rank; i++)
		trace += s->value[i] / n;
	const double a = shrinkage(s, trace), floor = a * trace / (double)s->width;
	for (int c = 0; c < s->classes; c++)
		for (int64_t i = 0; s->images[c] > 0 && i < s->rank; i++) {
			double x = s->projection[c * s->rank + i], l = s->value[i] / n;
			sum += x * x / (double)s->images[c] * l / ((1 - a) * l + floor);
		}
	return (1 - a) * sum;
}

thaw_status thaw_h_score(const struct thaw_feature_table *t, double *score)
{
	struct thaw_spectrum s;
	THAW_TRY(thaw_feature_table_check(t));
	THAW_TRY(thaw_spectrum_create(t, true, &s));
	*score = s.rank > 0 ? shrunk_score(&s) : 0.0; /* constant features separate no classes */
	thaw_spectrum_destroy(&s);
	return THAW_OK;
}
