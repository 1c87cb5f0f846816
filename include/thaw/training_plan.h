/* Plans of a training: the files that `thaw advise` writes, `thaw train --plan` follows and the ledger looks back at.
 *
 *     {"thaw": "plan", "network": "efficientnet_lite0", "data_digest": "16 hex digits",
 *      "train": {"unfreeze": "head", "lr": 0.01, ...},           flags of thaw train and their values
 *      "expected": {"accuracy": 0.96, "low": 0.94, "high": 0.98},
 *      "uncalibrated": {...},                                    before a ledger corrected it; absent: the same
 *      "cost": {"ranks": 2, "hours": 0.1, ...}}
 *
 * Accuracies are fractions of the test images. */
#ifndef THAW_TRAINING_PLAN_H
#define THAW_TRAINING_PLAN_H

#include <stdbool.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* An accuracy and the range that should hold it: 0 <= low <= accuracy <= high <= 1. */
struct thaw_expected {
	double accuracy, low, high;
};

/* Whether the object is such a range, and puts it into *expected if so. NULL is none. */
bool thaw_expected_read(struct thaw_expected *expected, const json_t *object);

/* {"accuracy", "low", "high"}; a new reference, NULL without memory. */
json_t *thaw_expected_json(const struct thaw_expected *expected);

/* Reads a plan: an object with "train", whose members are words, numbers or truth values, and with "expected". *plan is
 * a new reference. THAW_IO when the file cannot be read, THAW_CONFIG when it is no plan. */
thaw_status thaw_training_plan_read(json_t **plan, const char *path);

THAW_END_DECLS

#endif
