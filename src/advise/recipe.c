#include "src/advise/recipe.h"

#include <string.h>

/* AdamW, since one learning rate then suits networks of all kinds within a factor of three, where plain gradient
 * descent spans thirty; about 300 steps, in small batches where images are few; the classifier alone for a fifth of the
 * time (LP-FT, 2202.10054). The study (docs/advice.md) trains by this recipe. */
#define STEPS           300
#define BATCH           32
#define FEW_IMAGES      512 /* below, half the batch */
#define VERY_FEW_IMAGES 128 /* below, a quarter */
#define EPOCHS_LEAST    10
#define EPOCHS_MOST     40
#define HEAD_PART       4 /* epochs to one of the head's before */
#define HEAD_RATE       0.003

static const double rates[THAW_RATES] = {1e-4, 3e-4, 1e-3}, head_rates[THAW_RATES] = {1e-3, 3e-3, 1e-2};

struct thaw_recipe thaw_recipe_for(int64_t images)
{
	int batch = images < VERY_FEW_IMAGES ? BATCH / 4 : images < FEW_IMAGES ? BATCH / 2 : BATCH;
	int64_t epochs = images > 0 ? (STEPS * batch + images - 1) / images : EPOCHS_MOST;
	epochs = epochs < EPOCHS_LEAST ? EPOCHS_LEAST : epochs > EPOCHS_MOST ? EPOCHS_MOST : epochs;
	return (struct thaw_recipe){batch, ((int)epochs + HEAD_PART - 1) / HEAD_PART, (int)epochs, HEAD_RATE};
}

double thaw_recipe_rate(bool head_alone, int number)
{
	return head_alone ? head_rates[number] : rates[number];
}

void thaw_recipe_apply(const struct thaw_recipe *recipe, const char *unfreeze, double rate,
		       struct thaw_train_options *o)
{
	bool head = strcmp(unfreeze, "head") == 0;
	o->optimizer = "adamw";
	o->unfreeze = unfreeze;
	o->batch = recipe->batch;
	o->lr = rate;
	o->head_lr = recipe->head_rate;
	o->head_epochs = head ? 0 : recipe->head_epochs;
	o->epochs = head ? recipe->head_epochs + recipe->epochs : recipe->epochs;
}
