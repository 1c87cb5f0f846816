/* Training plans: JSON files that `thaw advise` writes and `thaw train --plan` follows. The ledger compares what they
 * predict with the results.
 *
 *     {"thaw": "plan",                                             file type
 *      "network": "efficientnet_lite0",                            for which the plan was made
 *      "data_digest": "16 hex digits",                             of the training images (thaw_dataset_digest)
 *      "train": {"unfreeze": "head", "lr": 0.01, ...},             flags of thaw train, without "--", and their values
 *      "expected": {"accuracy": 0.96, "low": 0.94, "high": 0.98},  predicted accuracy and its 80 % range
 *      "uncalibrated": {"accuracy": ..., "low": ..., "high": ...}, before correction by a ledger; absent: the same
 *      "cost": {"ranks": 2, "hours": 0.1, "core_hours": 0.2, "mebibytes": 300},
 *      "fits": true}                                               whether the cost is within the budget
 *
 * "train" and "expected" are required. Accuracies are fractions of the test images, 0..1; mebibytes are per rank. */
#ifndef THAW_TRAINING_PLAN_H
#define THAW_TRAINING_PLAN_H

#include <stdbool.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* A predicted accuracy and its range: 0 <= low <= accuracy <= high <= 1. */
struct thaw_expected {
	double accuracy, low, high;
};

/* Reads {"accuracy", "low", "high"}. Returns false, and leaves *expected alone, if the object is NULL or not such a
 * range. */
bool thaw_expected_read(struct thaw_expected *expected, const json_t *object);

/* {"accuracy", "low", "high"}: a new reference, NULL if out of memory. */
json_t *thaw_expected_json(const struct thaw_expected *expected);

/* Reads and checks a plan: "train" is an object of strings, numbers and booleans, "expected" a range. *plan receives a
 * new reference. THAW_IO if the file cannot be read, THAW_CONFIG if it is not a plan. */
thaw_status thaw_training_plan_read(json_t **plan, const char *path);

THAW_END_DECLS

#endif
