/* Training plans: files that `thaw advise` writes, `thaw train --plan` follows, and the ledger compares with results.
 *
 *     {"thaw": "plan", "network": "efficientnet_lite0", "data_digest": "16 hex digits",
 *      "train": {"unfreeze": "head", "lr": 0.01, ...},           flags of thaw train and their values
 *      "expected": {"accuracy": 0.96, "low": 0.94, "high": 0.98},
 *      "uncalibrated": {...},                                    "expected" before calibration; absent: the same
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

/* A predicted accuracy and its range: 0 <= low <= accuracy <= high <= 1. */
struct thaw_expected {
	double accuracy, low, high;
};

/* Reads the members accuracy, low and high. False, and *expected unchanged, if the object is NULL or not a valid range.
 */
bool thaw_expected_read(struct thaw_expected *expected, const json_t *object);

/* {"accuracy", "low", "high"}: a new reference; NULL without memory. */
json_t *thaw_expected_json(const struct thaw_expected *expected);

/* Reads a plan file: an object with "train", whose members are strings, numbers or booleans, and a valid "expected".
 * *plan receives a new reference. THAW_IO when the file cannot be read, THAW_CONFIG when it is not a plan. */
thaw_status thaw_training_plan_read(json_t **plan, const char *path);

THAW_END_DECLS

#endif
