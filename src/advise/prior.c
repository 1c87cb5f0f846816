#include "src/advise/prior.h"

#include <math.h>
#include <stdlib.h>

#include "src/advise/recipe.h"

/* Where a probe fails often, features must change, and quickly; where it seldom fails they are worth keeping. */
#define LARGE_ERROR 0.25
#define RATE_STEP   0.08 /* of the logarithm, for each step from the suitable rate */

/* Half of the network did best, or nearly, on most datasets; a quarter and everything a little worse. */
#define BEST_SHARE 0.5
#define BEST_RATIO 0.80
#define SHARE_COST 0.16 /* of the logarithm, for each unit of distance from the best share */

/* Classes that the network was trained for are forgotten rather than learnt when more of it trains on fewer images. */
#define KNOWN_LEEP  -0.7
#define KNOWN_RATIO 1.2

int thaw_prior_rate(const struct thaw_prior *p)
{
	return p->error > LARGE_ERROR && !p->known ? THAW_RATES - 1 : THAW_RATES / 2;
}

double thaw_prior_ratio(const struct thaw_prior *p, double share, bool head_alone, int rate)
{
	if (head_alone)
		return 1.0;
	double off = RATE_STEP * abs(rate - thaw_prior_rate(p));
	if (p->known)
		return KNOWN_RATIO * exp(off);
	return BEST_RATIO * exp(off + SHARE_COST * fabs(share - BEST_SHARE));
}

bool thaw_prior_known(double leep)
{
	return leep > KNOWN_LEEP;
}
