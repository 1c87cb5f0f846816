/* What a user should know before and after a run that works, but probably not as meant. Lines to the log callback of
 * rank 0 begin with "warning: " or "note: ". */
#ifndef THAW_SRC_TRAIN_WARNINGS_H
#define THAW_SRC_TRAIN_WARNINGS_H

#include "thaw/train.h"

/* A network with random weights. consequence: what follows for this use of it, and what to do instead. */
void thaw_warn_random(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
		      const struct thaw_model *model, const char *consequence);
/* Images that are much larger than the network's input. `name`: as the user gave the network. */
void thaw_warn_small_input(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
			   const struct thaw_model *model, const struct thaw_dataset *dataset);

/* Adds "warnings" to the summary of a finished run whose result is no better than chance, or whose loss is larger than
 * without training or grew. classes: 0 for other tasks than one class per image, of which only the last is said.
 * first_loss, last_loss: training losses of the first and the last epoch. THAW_RESOURCE. */
thaw_status thaw_warn_result(json_t *summary, int classes, double first_loss, double last_loss);

#endif
