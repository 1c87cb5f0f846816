/* The task of a network, beyond one class per image. Internal to src/model. */
#ifndef THAW_SRC_MODEL_TASK_H
#define THAW_SRC_MODEL_TASK_H

#include "src/model/metadata.h"

#define THAW_TASK_KEY       "thaw.task"       /* present if it is not THAW_TASK_CLASS */
#define THAW_THRESHOLDS_KEY "thaw.thresholds" /* a number per label */

#define THAW_TASK_PAIRS 2 /* at most, of thaw_model_write_task */

/* Adds what the metadata of a file say of the task to pairs[*count], none for one class per image. The values are from
 * thaw_alloc. */
thaw_status thaw_model_write_task(const struct thaw_model *m, struct thaw_pair *pairs, int *count);

/* Sets task, classes and thresholds by the metadata of these two keys, NULL if they are absent. THAW_DATA if invalid.
 */
thaw_status thaw_model_read_task(struct thaw_model *m, const char *task, const char *thresholds, const char *file);

/* What is said of outputs whose probabilities are sigmoids because of the task; NULL for other tasks. */
const char *thaw_task_sigmoid(enum thaw_task task);

#endif
