/* How a fine-tuning goes whatever its cut: what follows from the number of images alone. */
#ifndef THAW_SRC_ADVISE_RECIPE_H
#define THAW_SRC_ADVISE_RECIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/train.h"

#define THAW_RATES 3 /* learning rates that are told apart, rising by a factor of about three */

struct thaw_recipe {
	int batch, head_epochs, epochs;
	double head_rate; /* of the head epochs */
};

struct thaw_recipe thaw_recipe_for(int64_t images);

/* Learning rates to choose from; a classifier alone starts from random weights and takes ten times as much. */
double thaw_recipe_rate(bool head_alone, int number);

/* Sets what the recipe decides, for this cut and rate. `unfreeze` must outlive the options. */
void thaw_recipe_apply(const struct thaw_recipe *recipe, const char *unfreeze, double rate,
		       struct thaw_train_options *options);

#endif
