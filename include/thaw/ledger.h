/* The ledger: how good the advice has been.
 *
 * A run that was started with a plan has both in its result.json, what was predicted and what came out. From many of
 * them follows how far predictions lie off on the average (the bias), and how much wider or narrower their ranges would
 * have to be to hold THAW_LEDGER_COVERAGE percent of the runs (the factor), by the method of split conformal
 * prediction (Lei et al., Distribution-free predictive inference for regression, JASA 2018): a range so corrected holds
 * the next run with about that probability, whatever the distribution, if it comes from the same kind of work as those
 * before. */
#ifndef THAW_LEDGER_H
#define THAW_LEDGER_H

#include <stdbool.h>

#include "thaw/api.h"
#include "thaw/training_plan.h"

THAW_BEGIN_DECLS

#define THAW_LEDGER_COVERAGE  80    /* percent of the runs that ranges are to hold */
#define THAW_LEDGER_FEWEST    5     /* runs from which something can be learned */
#define THAW_LEDGER_NARROWEST 0.005 /* half-width of a range in accuracy: what is narrower counts as this */

/* A run that did as it was planned. */
struct thaw_ledger_entry {
	char *path; /* the run directory */
	char *network;
	struct thaw_expected expected;     /* as the user was told */
	struct thaw_expected uncalibrated; /* the same before a ledger corrected it: corrections do not pile up */
	double top1;                       /* accuracy of the trained network, a share of the test images */
	bool inside;                       /* of `expected` */
	double predicted_hours, hours;     /* NAN: nothing was predicted */
};

struct thaw_ledger {
	struct thaw_ledger_entry *entries; /* in the order of their paths */
	int count;
	/* Folders, and results with a prediction, that were left out: unreadable, damaged, or not as planned. */
	int skipped;
};

/* Collects the runs in the folder: itself, what is in it, and what is in that; links are not followed. A folder without
 * any gives an empty ledger. THAW_IO when the folder itself cannot be read. */
thaw_status thaw_ledger_read(const char *directory, struct thaw_ledger **ledger);
void thaw_ledger_destroy(struct thaw_ledger *ledger);

struct thaw_calibration {
	int runs;      /* that it is learned from */
	double inside; /* share of them that fell into the ranges told; 0 without runs */
	bool learned;  /* false: fewer than THAW_LEDGER_FEWEST; bias and factor then are 0 and 1 */
	double bias;   /* mean of achieved - predicted, shrunk towards 0 by runs / (runs + 5) */
	double factor; /* by which half-widths are multiplied */
};

/* What the ledger teaches. THAW_RESOURCE without memory. */
thaw_status thaw_ledger_calibrate(const struct thaw_ledger *ledger, struct thaw_calibration *calibration);

/* Moves the prediction by the bias and multiplies its half-widths, below and above, by the factor, within 0 to 1. Does
 * nothing where nothing was learned. */
void thaw_calibration_apply(const struct thaw_calibration *calibration, struct thaw_expected *expected);

/* {"runs", "inside" (null without runs), "learned", "bias", "factor", "skipped", "entries": [{"path", "network",
 * "predicted", "uncalibrated", "top1", "inside", "predicted_hours" (null: none), "hours"}]}. A new reference, NULL
 * without memory. */
json_t *thaw_ledger_json(const struct thaw_ledger *ledger, const struct thaw_calibration *calibration);

THAW_END_DECLS

#endif
