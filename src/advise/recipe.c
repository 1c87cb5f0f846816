#include "src/advise/recipe.h"

#include <string.h>

#include "src/base/minmax.h"

/* AdamW, since the best learning rates of different networks then differ by a factor of three, with SGD by thirty;
 * about 300 steps, in small batches if there are few images; a fifth of the epochs train the classifier alone (LP-FT,
 * arXiv 2202.10054). The study (make advise-study, recipe() in tests/study/cells.bash) trains by the same recipe. */
#define STEPS           300
#define BATCH           32
#define FEW_IMAGES      512 /* below this, half the batch */
#define VERY_FEW_IMAGES 128 /* below this, a quarter */
#define MIN_EPOCHS      10
#define MAX_EPOCHS      40
#define HEAD_PART       4 /* one head epoch for this many epochs */
#define HEAD_RATE       0.003

static const double rates[THAW_RATES] = {1e-4, 3e-4, 1e-3}, head_rates[THAW_RATES] = {1e-3, 3e-3, 1e-2};

struct thaw_recipe thaw_recipe_for(int64_t images)
{
	int batch = images < VERY_FEW_IMAGES ? BATCH / 4 : images < FEW_IMAGES ? BATCH / 2 : BATCH;
	int64_t epochs = images > 0 ? (STEPS * batch + images - 1) / images : MAX_EPOCHS;
	epochs = min_int64(max_int64(epochs, MIN_EPOCHS), MAX_EPOCHS);
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
