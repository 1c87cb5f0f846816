#include "src/advise/ranking.h"

#include <math.h>

#define STANDARD_ERRORS 2.0 /* of a difference; probes closer than this are tied */

/* Both probes use the same images, so the error of the difference is smaller than this estimate: on the safe side. */
static bool tied(const struct thaw_ranked_network *a, const struct thaw_ranked_network *best)
{
	return best->probe - a->probe <= STANDARD_ERRORS * hypot(a->error, best->error);
}

static int next_best(const struct thaw_ranked_network *s, int count)
{
	int lead = 0, best = -1;
	for (int i = 1; i < count; i++)
		if (s[i].probe > s[lead].probe)
			lead = i;
	for (int i = 0; i < count; i++)
		if (tied(&s[i], &s[lead]) && (best < 0 || s[i].logme > s[best].logme))
			best = i;
	return best;
}

void thaw_ranking_sort(struct thaw_ranked_network *s, int count)
{
	double cheapest = INFINITY;
	for (int i = 0; i < count; i++) {
		int at = i + next_best(s + i, count - i);
		const struct thaw_ranked_network next = s[at];
		for (; at > i; at--)
			s[at] = s[at - 1];
		s[i] = next;
		s[i].pareto = next.seconds < cheapest;
		cheapest = fmin(cheapest, next.seconds);
	}
}
