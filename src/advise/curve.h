/* Learning curves: the accuracy of a probe at each cut with an eighth, a quarter, half and all of the images, and an
 * extrapolation to twice as many. */
#ifndef THAW_SRC_ADVISE_CURVE_H
#define THAW_SRC_ADVISE_CURVE_H

#include "src/advise/activations.h"

#define THAW_CURVE_POINTS 4

struct thaw_curve_point {
	double images;   /* that the probe was fitted to */
	double accuracy; /* on other images */
	double error;    /* standard error of the accuracy */
};

struct thaw_curve {
	int points; /* ascending; fewer than THAW_CURVE_POINTS if classes are small, 0 if the cut has no features */
	struct thaw_curve_point point[THAW_CURVE_POINTS];
	bool extrapolated;
	struct thaw_curve_point twice; /* with twice the images of the last point */
};

/* Fills curve[activations->cut_count], the same on all ranks, which share the work. Collective. */
thaw_status thaw_curves_measure(struct thaw_curve *curve, struct thaw_comm *comm,
				const struct thaw_activations *activations, int classes, uint64_t seed);

/* Sets `extrapolated` and `twice` from the points: fits the error rate b n^-c, c >= 0, to two or more points by least
 * squares in the logarithm, weighted by inverse variances. */
void thaw_curve_extrapolate(struct thaw_curve *curve);

#endif
