/* The error that a cut will end with is the probe's, times a ratio: how much of the classifier's error is left when
 * more is trained. Pilots measure the ratio on the images held out; what other datasets came to says it beforehand. The
 * two are averaged in logarithms, the pilots by the number of images they were judged on. */
#include "src/advise/choice.h"

#include <math.h>
#include <stdlib.h>

/* What the study (docs/advice.md) found, over datasets and networks: of the error of a linear probe, so much is left
 * after fine-tuning at a suitable rate. Where a probe fails often, features must change, at a high rate; where it
 * seldom fails they are worth keeping. */
#define PRIOR_RATIO  0.85
#define PRIOR_IMAGES 40.0 /* images held out that weigh as much as that */
#define OTHER_RATE   1.1  /* each step from the suitable rate leaves so much more */
#define LARGE_ERROR  0.25 /* above, the highest rate is the suitable one; below, the middle one */
#define KNOWN_LEEP   -0.7 /* above, the network's own classifier knows these classes: nothing to gain */
#define KNOWN_RATIO  1.15
#define PILOT_TO_END 0.85 /* the whole training leaves so much of the error that a pilot ended with */
#define RANGE_RATIO  0.25 /* standard error of the ratio's logarithm */

struct thaw_expected thaw_expected_range(double accuracy, double half)
{
	accuracy = fmin(fmax(accuracy, 0.0), 1.0);
	return (struct thaw_expected){accuracy, fmax(accuracy - half, 0.0), fmin(accuracy + half, 1.0)};
}

/* The share of wrong ones, pulled to one half by an image (Laplace): none wrong of few is not none. */
static double wrong(double accuracy, double images)
{
	return ((1.0 - accuracy) * images + 0.5) / (images + 1.0);
}

/* The probe's error with all images. */
static double base_error(const struct thaw_evidence *e)
{
	const struct thaw_curve *head = &e->curve[0];
	const struct thaw_curve_point *all = &head->point[head->points - 1];
	return wrong(all->accuracy, all->images);
}

static double prior_ratio(const struct thaw_evidence *e, int cut, int rate)
{
	int suitable = base_error(e) > LARGE_ERROR ? THAW_RATES - 1 : THAW_RATES / 2;
	double ratio = cut == 0 ? 1.0 : e->has_leep && e->leep > KNOWN_LEEP ? KNOWN_RATIO : PRIOR_RATIO;
	return cut == 0 ? ratio : ratio * pow(OTHER_RATE, abs(rate - suitable));
}

static const struct thaw_pilot *pilot_of(const struct thaw_pilots *p, int cut, int rate)
{
	for (int i = 1; i < p->count; i++)
		if (p->pilot[i].cut == cut && p->pilot[i].rate == rate)
			return &p->pilot[i];
	return NULL;
}

/* How much of the probe's error is left by this cut at this rate. */
static double ratio_of(const struct thaw_evidence *e, int cut, int rate)
{
	const struct thaw_pilots *p = e->pilots;
	const struct thaw_pilot *pilot = pilot_of(p, cut, rate);
	double prior = prior_ratio(e, cut, rate), images = (double)p->test_images;
	if (cut == 0 || !pilot)
		return prior;
	double measured = PILOT_TO_END * wrong(pilot->trial.top1, images) / wrong(p->pilot[0].trial.top1, images);
	double weight = images / (images + PRIOR_IMAGES);
	return exp(weight * log(measured) + (1.0 - weight) * log(prior));
}

void thaw_choose(struct thaw_choice *choice, const struct thaw_evidence *e)
{
	const struct thaw_curve *head = &e->curve[0];
	double error = base_error(e), best = INFINITY;
	double doubt = head->point[head->points - 1].error;
	*choice = (struct thaw_choice){0};
	for (int c = 0; c < e->cut_count; c++) {
		double least = INFINITY;
		for (int rate = 0; rate < THAW_RATES; rate++) {
			double ratio = ratio_of(e, c, rate);
			if (ratio < least || (c == 0 && rate == THAW_RATES / 2)) {
				least = ratio;
				choice->rate[c] = rate;
			}
		}
		double left = fmin(error * least, 1.0);
		double half = THAW_80_PERCENT * sqrt(doubt * doubt + pow(left * RANGE_RATIO, 2.0));
		choice->expected[c] = thaw_expected_range(1.0 - left, half);
		if (least < best) {
			best = least;
			choice->best = c;
		}
	}
}
