/* Learning curves: how well a probe at each depth does with an eighth, a quarter, half and all of the images, and what
 * twice as many would bring. */
#ifndef THAW_SRC_ADVISE_CURVE_H
#define THAW_SRC_ADVISE_CURVE_H

#include "src/advise/taps.h"

#define THAW_CURVE_POINTS 4

struct thaw_curve_point {
	double images;   /* that the probe learnt from */
	double accuracy; /* on images that it has not seen */
	double error;    /* standard error of that */
};

struct thaw_curve {
	int points; /* rising; fewer than THAW_CURVE_POINTS where classes are small; 0: there are no features here */
	struct thaw_curve_point point[THAW_CURVE_POINTS];
	bool extrapolated;
	struct thaw_curve_point twice; /* with twice the images of the last point */
};

/* curve[taps->cut_count]. The probes are spread over the ranks. Collective; the same on all ranks. */
thaw_status thaw_curves_measure(struct thaw_curve *curve, struct thaw_comm *comm, const struct thaw_taps *taps,
				int classes, uint64_t seed);

/* Fills `extrapolated` and `twice` from the points: the error rate as b n^-c, c >= 0, fitted by least squares to its
 * logarithm, weighted by what each point is worth. Two points or more. */
void thaw_curve_extrapolate(struct thaw_curve *curve);

#endif
