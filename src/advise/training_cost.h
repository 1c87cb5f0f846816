/* What a training will take, from what pilots took. */
#ifndef THAW_SRC_ADVISE_TRAINING_COST_H
#define THAW_SRC_ADVISE_TRAINING_COST_H

#include "src/advise/advice.h"

struct thaw_training_cost {
	int ranks;
	double hours, core_hours;
	double mebibytes; /* of each rank */
};

/* The training of this cut by the advice's recipe, evaluated after every epoch. */
struct thaw_training_cost advice_cost(const struct advice *a, int cut);

#endif
