/* Predicted cost of a training, from the cost of the pilots. */
#ifndef THAW_SRC_ADVISE_TRAINING_COST_H
#define THAW_SRC_ADVISE_TRAINING_COST_H

#include "src/advise/advice.h"

struct thaw_training_cost {
	int ranks;
	double hours, core_hours;
	double mebibytes; /* per rank */
};

/* The cost of training with this cut by the advice's recipe, on a->rank_count ranks, with an evaluation after every
 * epoch. */
struct thaw_training_cost thaw_advice_training_cost(const struct advice *a, int cut);

#endif
