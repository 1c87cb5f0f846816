/* The training recipe: hyperparameters that depend on the number of images only, not on the cut. */
#ifndef THAW_SRC_ADVISE_RECIPE_H
#define THAW_SRC_ADVISE_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/train.h"

#define THAW_RATES 3 /* candidate learning rates, each about three times the one before */

struct thaw_recipe {
	int batch, head_epochs, epochs;
	double head_rate; /* learning rate of the head epochs */
};

/* For a training on this many images. */
struct thaw_recipe thaw_recipe_for(int64_t images);

/* Learning rate `number`, 0 .. THAW_RATES - 1; ten times as high for the classifier alone, which starts from random
 * weights. */
double thaw_recipe_rate(bool head_alone, int number);

/* Sets the options that the recipe decides, for this cut and learning rate. `unfreeze` must outlive the options. */
void thaw_recipe_apply(const struct thaw_recipe *recipe, const char *unfreeze, double rate,
		       struct thaw_train_options *options);

#endif
