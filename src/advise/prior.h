/* Prior: what to expect of a cut before any pilot, as found on other datasets (make advise-study, docs/advice.md). */
#ifndef THAW_SRC_ADVISE_PRIOR_H
#define THAW_SRC_ADVISE_PRIOR_H

#include <stdbool.h>
#include <stdint.h>

/* Known without training, from the linear probe of the last features and the network's own classifier. */
struct thaw_prior {
	double error; /* of the probe with all images, above 0, at most 1 */
	bool known;   /* the network's own classifier separates these classes already */
	bool few;     /* too few images to train the whole network */
};

#define THAW_PRIOR_SPREAD 0.2 /* standard deviation of the logarithm of the ratio around its prior */

/* Whether this many images count as few. */
bool thaw_prior_few(int64_t images);

/* The number of the best learning rate (thaw_recipe_rate). */
int thaw_prior_rate(const struct thaw_prior *prior);

/* The expected ratio of the final error to the probe's error, for training the last `share` of the network's FLOPs, or
 * the classifier alone, at learning rate number `rate`. */
double thaw_prior_ratio(const struct thaw_prior *prior, double share, bool head_alone, int rate);

/* Whether the network's own classifier knows the classes: LEEP is high and the probe's error low. (LEEP alone is too
 * high if there are more source classes than images.) */
bool thaw_prior_known(double leep, double error);

#endif
