/* What has changed since a run: its images, the files of its directory, the network it started from, the program. */
#ifndef THAW_VERIFY_H
#define THAW_VERIFY_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

struct thaw_verify_options {
	const char *run;      /* the run directory, done or not; it is not changed */
	const char *data;     /* the dataset; NULL: the folder that the run recorded */
	const char *manifest; /* its manifest; NULL: the file that the run recorded, unless `data` is given */
	int64_t retrain;      /* steps to repeat from the oldest checkpoint, or from the start; 0: none */
	int decode_threads;   /* per rank, for the repeated steps */
	bool mixed_machines;  /* see struct thaw_train_options */
};

/* Compares the run with what is there now. *report (a new reference on rank 0, NULL on other ranks; also after
 * THAW_DATA): run, data, changed (bool), changes (a line for each kind of change), notes, images {count, unchanged,
 * changed, gone, unreadable, added, unknown, and lists of names}, files [{file, status, why}], retrain {from, to,
 * weights, compared_with, tensor, metrics, first_step}. Options of a retraining: the steps are repeated in a temporary
 * directory ($TMPDIR, else /tmp), and weights, optimizer state and metrics compared, bit by bit, with what the run
 * saved. They are not repeated if images have changed.
 *
 * THAW_DATA if anything has changed, except the program, which is a note; THAW_USAGE if `run` is not a run directory;
 * THAW_UNFINISHED when asked to stop. `callbacks` may be NULL. Collective. */
thaw_status thaw_verify(struct thaw_comm *comm, const struct thaw_verify_options *options,
			const struct thaw_callbacks *callbacks, json_t **report);

THAW_END_DECLS

#endif
