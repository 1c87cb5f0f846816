/* How networks stand to each other: which suits a dataset best, and which are worth their cost. */
#ifndef THAW_SRC_ADVISE_STANDING_H
#define THAW_SRC_ADVISE_STANDING_H

#include <stdbool.h>

struct thaw_standing {
	int network;    /* whatever the caller counts */
	double probe;   /* share of the images that the probe of all others gets right */
	double error;   /* its standard error */
	double logme;   /* decides where probes are too close to tell */
	double seconds; /* of an image */
	bool pareto;    /* filled in: none that is better is as cheap */
};

/* Puts the best first and marks the front. The next in the order is, of all that are left whose probe is within two
 * standard errors of the best of them, the one with the highest LogME; where these are equal, the one that came first.
 */
void thaw_standing_order(struct thaw_standing *standing, int count);

#endif
