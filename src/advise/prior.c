#include "src/advise/prior.h"

#include <math.h>
#include <stdlib.h>

#include "src/advise/recipe.h"

/* The constants were chosen manually on the 24 cells of the study: `make advise-study` (tests/study/study.sh) trains
 * every cut at every rate and prints the tables of docs/advice.md. */

/* If the probe's error is large, the features must change: use the highest learning rate; else the middle one. */
#define LARGE_ERROR 0.25
#define RATE_STEP   0.08 /* of the log ratio, per step from the best learning rate */

/* With a hundred images or more, training everything was best or nearly so; with fewer, half of the network. */
#define FEW_IMAGES 100
#define FEW_SHARE  0.5
#define MANY_SHARE 1.0
#define BEST_RATIO 0.78
#define SHARE_COST 0.2 /* of the log ratio, times the distance from the best share */

/* If the network was trained for these classes, training more of it on fewer images makes it forget them. */
#define KNOWN_LEEP  (-0.7)
#define KNOWN_ERROR 0.3
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
	return BEST_RATIO * exp(off + SHARE_COST * fabs(share - (p->few ? FEW_SHARE : MANY_SHARE)));
}

bool thaw_prior_few(int64_t images)
{
	return images < FEW_IMAGES;
}

bool thaw_prior_known(double leep, double error)
{
	return leep > KNOWN_LEEP && error < KNOWN_ERROR;
}
