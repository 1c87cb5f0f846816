/* The final error of a cut is predicted as the probe's error times a ratio. The prior of the ratio comes from other
 * datasets; pilots measure it on held-out images. Both are treated as normal in the logarithm and averaged with inverse
 * variances; the variance of a pilot follows from the number of images it got wrong. */
#include "src/advise/choice.h"

#include <math.h>

/* Chosen manually on the 24 cells of the study (make advise-study, docs/advice.md), as is prior.c. */
#define PILOT_TO_END 0.66 /* ratio of the error after the whole training to the error after the pilot */
#define PILOT_SPREAD 0.3  /* standard deviation of its logarithm, with any number of images */

/* Standard deviation of the log ratio between datasets, common to all cuts: it widens the ranges but does not affect
 * the choice. */
#define COMMON_SPREAD 0.15

/* A log ratio and its variance. */
struct estimate {
	double log_ratio, variance;
};

struct thaw_expected thaw_expected_range(double accuracy, double half)
{
	accuracy = fmin(fmax(accuracy, 0.0), 1.0);
	return (struct thaw_expected){accuracy, fmax(accuracy - half, 0.0), fmin(accuracy + half, 1.0)};
}

/* Number of wrong images, plus one half. */
static double wrong(double accuracy, double images)
{
	return (1.0 - accuracy) * images + 0.5;
}

double thaw_base_error(const struct thaw_curve *head)
{
	const struct thaw_curve_point *all = &head->point[head->points - 1];
	return wrong(all->accuracy, all->images) / (all->images + 1.0);
}

static const struct thaw_pilot *pilot_of(const struct thaw_pilots *p, int cut, int rate)
{
	for (int i = 1; i < p->count; i++)
		if (p->pilot[i].cut == cut && p->pilot[i].rate == rate)
			return &p->pilot[i];
	return NULL;
}

static struct estimate estimate_of(const struct thaw_evidence *e, int cut, int rate)
{
	const struct thaw_pilots *p = e->pilots;
	const struct thaw_pilot *pilot = cut > 0 ? pilot_of(p, cut, rate) : NULL;
	double prior = log(thaw_prior_ratio(&e->prior, e->cut[cut].share, cut == 0, rate));
	double spread = THAW_PRIOR_SPREAD * THAW_PRIOR_SPREAD, images = (double)p->test_images;
	if (!pilot)
		return (struct estimate){prior, spread};
	double left = wrong(pilot->trial.top1, images), before = wrong(p->pilot[0].trial.top1, images);
	double measured = log(PILOT_TO_END * left / before),
	       variance = PILOT_SPREAD * PILOT_SPREAD + 1.0 / fmin(left, before);
	double weight = spread / (spread + variance);
	return (struct estimate){weight * measured + (1.0 - weight) * prior, weight * variance};
}

static struct thaw_expected expect(const struct thaw_evidence *e, struct estimate estimate)
{
	const struct thaw_curve_point *all = &e->curve[0].point[e->curve[0].points - 1];
	double ratio = exp(estimate.log_ratio), left = thaw_base_error(&e->curve[0]) * ratio;
	double variance = estimate.variance + COMMON_SPREAD * COMMON_SPREAD;
	double half = sqrt(pow(all->error * ratio, 2.0) + left * left * variance);
	return thaw_expected_range(1.0 - left, THAW_80_PERCENT * half);
}

void thaw_choose(struct thaw_choice *choice, const struct thaw_evidence *e)
{
	double best = INFINITY;
	*choice = (struct thaw_choice){0};
	for (int c = 0; c < e->cut_count; c++) {
		struct estimate least = {INFINITY, 0.0};
		for (int rate = 0; rate < THAW_RATES; rate++) {
			struct estimate now = estimate_of(e, c, rate);
			if (now.log_ratio < least.log_ratio || (c == 0 && rate == THAW_RATES / 2)) {
				least = now;
				choice->rate[c] = rate;
			}
		}
		choice->expected[c] = expect(e, least);
		if (least.log_ratio < best) {
			best = least.log_ratio;
			choice->best = c;
		}
	}
}
