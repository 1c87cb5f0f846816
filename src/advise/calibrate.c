/* Calibration of predicted ranges from past runs: the bias and the conformal factor. */
#include <math.h>
#include <stdlib.h>

#include "src/base/minmax.h"
#include "thaw/ledger.h"
#include "thaw/memory.h"

#define SHRINK 5.0 /* assumed number of earlier runs without bias: shrinks the estimate towards 0 */

/* Half-widths of a range, below and above the predicted accuracy. */
struct halves {
	double below, above;
};

static struct halves halves_of(const struct thaw_expected *e)
{
	return (struct halves){fmax(e->accuracy - e->low, THAW_LEDGER_MIN_HALF_WIDTH),
			       fmax(e->high - e->accuracy, THAW_LEDGER_MIN_HALF_WIDTH)};
}

static double residual(const struct thaw_ledger_entry *e)
{
	return e->top1 - e->uncalibrated.accuracy;
}

/* The factor by which the entry's range, moved by the bias, must be scaled to just contain its run. */
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

/* The ceil((n + 1) coverage)-th smallest of n scores: each of the n + 1 runs, with the next one, is equally likely to
 * have the largest score. */
static double conformal_quantile(double *scores, int n)
{
	qsort(scores, (size_t)n, sizeof(*scores), ascending);
	int position = ((n + 1) * THAW_LEDGER_COVERAGE + 99) / 100;
	return scores[min_int(position, n) - 1];
}

thaw_status thaw_ledger_calibrate(const struct thaw_ledger *ledger, struct thaw_calibration *calibration)
{
	int n = ledger->count;
	struct thaw_calibration c = {.runs = n, .factor = 1.0, .learned = n >= THAW_LEDGER_MIN_RUNS};
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
