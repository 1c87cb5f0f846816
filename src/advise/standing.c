#include "src/advise/standing.h"

#include <math.h>

#define STANDARD_ERRORS 2.0 /* of a difference, within which the probes of two networks say nothing */

/* The errors are of the same images, so that the difference's is smaller than this; which is on the safe side. */
static bool close_to(const struct thaw_standing *a, const struct thaw_standing *best)
{
	return best->probe - a->probe <= STANDARD_ERRORS * hypot(a->error, best->error);
}

static int next_best(const struct thaw_standing *s, int count)
{
	int lead = 0, best = -1;
	for (int i = 1; i < count; i++)
		if (s[i].probe > s[lead].probe)
			lead = i;
	for (int i = 0; i < count; i++)
		if (close_to(&s[i], &s[lead]) && (best < 0 || s[i].logme > s[best].logme))
			best = i;
	return best;
}

void thaw_standing_order(struct thaw_standing *s, int count)
{
	double cheapest = INFINITY;
	for (int i = 0; i < count; i++) {
		int at = i + next_best(s + i, count - i);
		const struct thaw_standing next = s[at];
		for (; at > i; at--)
			s[at] = s[at - 1];
		s[i] = next;
		s[i].pareto = next.seconds < cheapest;
		cheapest = fmin(cheapest, next.seconds);
	}
}
