/* The ledger: compares past predictions of `thaw advise` with the results of the runs.
 *
 * The result.json of a run that was started with a plan has both the predicted and the achieved accuracy. From many
 * runs follow the mean error of the predictions (the bias) and the factor by which their ranges must be scaled to
 * contain THAW_LEDGER_COVERAGE percent of the runs, by split conformal prediction (Lei et al., Distribution-free
 * predictive inference for regression, JASA 2018): a corrected range contains the next run with about that probability,
 * whatever the distribution, provided that the run is of the same kind as the past ones. */
#ifndef THAW_LEDGER_H
#define THAW_LEDGER_H

#include <stdbool.h>

#include "thaw/api.h"
#include "thaw/training_plan.h"

THAW_BEGIN_DECLS

#define THAW_LEDGER_COVERAGE       80    /* percent of the runs that ranges should contain */
#define THAW_LEDGER_MIN_RUNS       5     /* runs needed for a calibration */
#define THAW_LEDGER_MIN_HALF_WIDTH 0.005 /* least half-width of a range, in accuracy; narrower ones count as this */

/* A run that followed its plan. */
struct thaw_ledger_entry {
	char *path; /* the run directory */
	char *network;
	struct thaw_expected expected;     /* as predicted to the user */
	struct thaw_expected uncalibrated; /* before any correction by a ledger, so that corrections do not add up */
	double top1;                       /* accuracy of the trained network, a fraction of the test images */
	bool inside;                       /* top1 is within `expected` */
	double predicted_hours, hours;     /* predicted_hours NAN: no prediction */
};

struct thaw_ledger {
	struct thaw_ledger_entry *entries; /* sorted by path */
	int count;
	/* Number of folders and predicted results that were skipped: unreadable, damaged, or not as planned. */
	int skipped;
};

/* Collects the runs in the folder and in two levels of subfolders; symbolic links are not followed. Without runs the
 * ledger is empty. THAW_IO if the folder itself cannot be read. The caller destroys *ledger. */
thaw_status thaw_ledger_read(const char *directory, struct thaw_ledger **ledger);
void thaw_ledger_destroy(struct thaw_ledger *ledger); /* NULL is fine */

struct thaw_calibration {
	int runs;      /* in the ledger */
	double inside; /* fraction of the runs within their predicted ranges; 0 without runs */
	bool learned;  /* false: fewer than THAW_LEDGER_MIN_RUNS runs; bias and factor are then 0 and 1 */
	double bias;   /* mean of achieved - predicted, shrunk towards 0 by runs / (runs + 5) */
	double factor; /* to multiply half-widths by */
};

/* Computes the calibration. THAW_RESOURCE if out of memory. */
thaw_status thaw_ledger_calibrate(const struct thaw_ledger *ledger, struct thaw_calibration *calibration);

/* Adds the bias to the prediction and multiplies its half-widths, below and above, by the factor; the result is clamped
 * to 0..1. Does nothing unless the calibration is `learned`. */
void thaw_calibration_apply(const struct thaw_calibration *calibration, struct thaw_expected *expected);

/* {"runs", "inside" (null without runs), "learned", "bias", "factor", "skipped", "entries": [{"path", "network",
 * "predicted", "uncalibrated", "top1", "inside", "predicted_hours" (null: none), "hours"}]}. A new reference, NULL
 * if out of memory. */
json_t *thaw_ledger_json(const struct thaw_ledger *ledger, const struct thaw_calibration *calibration);

THAW_END_DECLS

#endif
