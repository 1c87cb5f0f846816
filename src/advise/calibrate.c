/* What past runs teach about ranges: the bias, and the conformal factor. */
#include <math.h>
#include <stdlib.h>

#include "thaw/ledger.h"
#include "thaw/tensor.h"

#define SHRINK 5.0 /* runs without bias that are thought to have come before */

/* Below and above the predicted accuracy. */
struct halves {
	double below, above;
};

static struct halves halves_of(const struct thaw_expected *e)
{
	return (struct halves){fmax(e->accuracy - e->low, THAW_LEDGER_NARROWEST),
			       fmax(e->high - e->accuracy, THAW_LEDGER_NARROWEST)};
}

static double residual(const struct thaw_ledger_entry *e)
{
	return e->top1 - e->uncalibrated.accuracy;
}

/* The factor at which the entry's range, moved by the bias, would just have held its run. */
static double score(const struct thaw_ledger_entry *e, double bias)
{
	struct halves h = halves_of(&e->uncalibrated);
	double off = residual(e) - bias;
	return off < 0.0 ? -off / h.below : off / h.above;
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The ceil((n + 1) coverage)-th smallest of n scores: the run to come is one of n + 1 that might each be the worst. */
static double conformal_quantile(double *scores, int n)
{
	qsort(scores, (size_t)n, sizeof(*scores), ascending);
	int rank = ((n + 1) * THAW_LEDGER_COVERAGE + 99) / 100;
	return scores[rank <= n ? rank - 1 : n - 1];
}

thaw_status thaw_ledger_calibrate(const struct thaw_ledger *ledger, struct thaw_calibration *calibration)
{
	int n = ledger->count;
	struct thaw_calibration c = {.runs = n, .factor = 1.0, .learned = n >= THAW_LEDGER_FEWEST};
	double *scores = thaw_alloc((size_t)n, sizeof(*scores)), sum = 0.0;
	int inside = 0;
	if (!scores)
		return THAW_RESOURCE;
	for (int i = 0; i < n; i++) {
		sum += residual(&ledger->entries[i]);
		inside += ledger->entries[i].inside;
	}
	if (n > 0)
		c.inside = (double)inside / n;
	if (c.learned) {
		c.bias = sum / (n + SHRINK);
		for (int i = 0; i < n; i++)
			scores[i] = score(&ledger->entries[i], c.bias);
		c.factor = conformal_quantile(scores, n);
	}
	thaw_free(scores);
	*calibration = c;
	return THAW_OK;
}

static double within_unit(double x)
{
	return fmin(fmax(x, 0.0), 1.0);
}

void thaw_calibration_apply(const struct thaw_calibration *calibration, struct thaw_expected *expected)
{
	if (!calibration->learned)
		return;
	struct halves h = halves_of(expected);
	double middle = expected->accuracy + calibration->bias;
	*expected = (struct thaw_expected){.accuracy = within_unit(middle),
					   .low = within_unit(middle - calibration->factor * h.below),
					   .high = within_unit(middle + calibration->factor * h.above)};
}
