/* What is expected before anything is tried: what the study found on other datasets (docs/advice.md). */
#ifndef THAW_SRC_ADVISE_PRIOR_H
#define THAW_SRC_ADVISE_PRIOR_H

#include <stdbool.h>
#include <stdint.h>

/* What is known without training: of a linear probe before the classifier, and of the network's own classifier. */
struct thaw_prior {
	double error; /* the probe's, with all images, 0..1 and above 0 */
	bool known;   /* the network's own classifier tells these classes apart already */
	bool few;     /* images, so few that everything cannot learn from them */
};

#define THAW_PRIOR_SPREAD 0.2 /* standard deviation of the logarithm of a ratio around what is expected */

/* Whether images are so few in that sense. */
bool thaw_prior_few(int64_t images);

/* The learning rate that suits, of those of the recipe. */
int thaw_prior_rate(const struct thaw_prior *prior);

/* How much of the probe's error is expected to be left after training the last `node_alloc` of the network's work (0:
 * the classifier alone) at this rate. */
double thaw_prior_ratio(const struct thaw_prior *prior, double share, bool head_alone, int rate);

/* Whether the network's own classifier knows the classes: LEEP says so, and a probe finds them easy too. (LEEP alone is
 * too sure of itself where there are more source classes than images.) */
bool thaw_prior_known(double leep, double error);

#endif
