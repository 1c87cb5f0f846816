/* Pilots: short trainings with a few cuts and learning rates, evaluated on held-out training images. */
#ifndef THAW_SRC_ADVISE_PILOTS_H
#define THAW_SRC_ADVISE_PILOTS_H

#include "src/advise/activations.h"
#include "src/advise/prior.h"
#include "src/advise/recipe.h"

#define THAW_MAX_PILOTS 4 /* the probe, two cuts, one of them at a lower rate */

struct thaw_pilot {
	int cut, rate; /* indices */
	int epochs;
	bool kept; /* the better pilot of the first round */
	struct thaw_trial trial;
};

struct thaw_pilots {
	int count;
	/* pilot[0] is the starting point of all others: the probe as classifier, 0 epochs. */
	struct thaw_pilot pilot[THAW_MAX_PILOTS];
	int64_t train_images, test_images; /* trained on, held out */
};

/* Inputs. cut[0] is the classifier alone. */
struct thaw_pilot_inputs {
	struct thaw_comm *comm;
	const struct thaw_train_options *options; /* common to all pilots: model, size, seed, ... */
	const struct thaw_dataset *dataset;       /* that `activations` was collected from */
	const struct thaw_activations *activations;
	const struct thaw_cut *cut;
	const struct thaw_callbacks *callbacks;
	struct thaw_prior prior;
	struct thaw_recipe recipe; /* of the whole training; pilots run a fifth of its epochs */
};

/* Runs the pilots. Results other than times are the same for one to four ranks; with more, as many lanes as ranks are
 * used. Collective. */
thaw_status thaw_pilots_run(struct thaw_pilots *pilots, const struct thaw_pilot_inputs *inputs);

#endif
