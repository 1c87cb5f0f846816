/* When the job will be ended by the batch system, known without signals.
 *
 * Sources, the first that is present: --time-limit, from the start of this process; SLURM_JOB_END_TIME, seconds of the
 * epoch; PBS_WALLTIME (Torque), seconds from the start of the job's script. An end in the past is ignored: the limit
 * was raised while the job ran. LSF and Grid Engine do not tell their jobs. */
#ifndef THAW_SRC_CLI_DEADLINE_H
#define THAW_SRC_CLI_DEADLINE_H

#include <stdbool.h>

#include "thaw/error.h"

struct deadline {
	double end;         /* seconds of the epoch; 0: none */
	const char *source; /* "--time-limit", or the name of a variable */
};

/* THAW_USAGE unless `text` has one of Slurm's forms: minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S; more than 0 seconds.
 * `place` is quoted. *seconds may be NULL. */
thaw_status deadline_parse(const char *text, const char *place, double *seconds);

/* limit: of --time-limit, valid; NULL: not given. */
struct deadline deadline_find(const char *limit);

/* Seconds until then; infinite if there is none. */
double deadline_left(const struct deadline *deadline);

#endif
