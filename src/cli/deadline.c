#include "src/cli/deadline.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "src/base/process.h"

#define MOST_FIELDS 3
#define MINUTE      60.0
#define HOUR        3600.0
#define DAY         86400.0
#define MOST_TIME   (1000 * DAY)
#define ANCESTORS   64

/* "3:20" as {3, 20}; returns the count of fields, 0 for anything else. */
static int split(const char *text, double *field)
{
	int count = 0;
	for (;;) {
		char *end;
		if (text[0] < '0' || text[0] > '9' || count == MOST_FIELDS)
			return 0;
		field[count++] = (double)strtoull(text, &end, 10);
		if (*end == '\0')
			return count;
		if (*end != ':')
			return 0;
		text = end + 1;
	}
}

thaw_status deadline_parse(const char *text, const char *place, double *seconds)
{
	double f[MOST_FIELDS] = {0}, sum = 0.0;
	char *end;
	const char *dash = strchr(text, '-');
	int count = split(dash ? dash + 1 : text, f);
	if (dash && count > 0) {
		double days = (double)strtoull(text, &end, 10);
		sum = end == dash && text[0] != '-' ? days * DAY + f[0] * HOUR + f[1] * MINUTE + f[2] : 0.0;
	} else if (count == 1) {
		sum = f[0] * MINUTE;
	} else if (count == 2) {
		sum = f[0] * MINUTE + f[1];
	} else if (count == 3) {
		sum = f[0] * HOUR + f[1] * MINUTE + f[2];
	}
	if (!(sum > 0.0) || sum > MOST_TIME)
		return thaw_fail(THAW_USAGE,
				 "not understood: %s: give minutes, H:M:S or D-H:M:S, as for Slurm's --time", place);
	if (seconds)
		*seconds = sum;
	return THAW_OK;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The number in a variable; 0: absent or not a number. */
static double variable(const char *name)
{
	const char *text = getenv(name);
	char *end;
	if (!text || text[0] < '0' || text[0] > '9')
		return 0.0;
	double value = strtod(text, &end);
	return *end == '\0' && isfinite(value) ? value : 0.0;
}

/* Whether the process was started with this variable. Reads one character at a time: an environment has any length. */
static bool was_given(long pid, const char *name)
{
	char path[64];
	size_t length = strlen(name), at = 0; /* characters of the name that agree; SIZE_MAX: another variable */
	snprintf(path, sizeof(path), "/proc/%ld/environ", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool found = false;
	for (int c; !found && (c = getc(file)) != EOF;) {
		if (c == '\0')
			at = 0;
		else if (at < length && c == name[at])
			at++;
		else if (at == length && c == '=')
			found = true;
		else
			at = SIZE_MAX;
	}
	fclose(file);
	return found;
}

/* When the job's script started: the oldest ancestor of this process that was started with the job's variable; the
 * batch system's daemon above it was not. In seconds of the epoch. */
static double script_start(const char *name)
{
	struct timespec boot;
	long pid = getpid();
	struct thaw_process process;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	double since_boot = (double)boot.tv_sec + 1e-9 * (double)boot.tv_nsec, oldest = since_boot;
	for (int i = 0; i < ANCESTORS && pid > 1 && was_given(pid, name) && thaw_process_find(&process, pid); i++) {
		oldest = (double)process.started / (double)sysconf(_SC_CLK_TCK);
		pid = process.parent;
	}
	return now() - (since_boot - oldest);
}

struct deadline deadline_find(const char *limit)
{
	double seconds = 0.0, end = variable("SLURM_JOB_END_TIME"), wall = variable("PBS_WALLTIME");
	if (limit && deadline_parse(limit, limit, &seconds) == THAW_OK)
		return (struct deadline){now() + seconds, "--time-limit"};
	if (end > now()) /* else the limit was raised since the job began */
		return (struct deadline){end, "SLURM_JOB_END_TIME"};
	if (wall > 0.0)
		end = script_start("PBS_WALLTIME") + wall;
	if (wall > 0.0 && end > now())
		return (struct deadline){end, "PBS_WALLTIME"};
	return (struct deadline){.end = 0.0};
}

double deadline_left(const struct deadline *deadline)
{
	return deadline->end > 0.0 ? deadline->end - now() : INFINITY;
}
