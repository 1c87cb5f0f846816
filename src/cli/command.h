/* Subcommands: what each tells the program about itself.
 *
 * A command is one file and one line in the table of main.c. It resolves nothing, opens nothing and
 * prints no result itself: `run` works and returns a JSON object; main prints it, as it is with --json or
 * through the command's `print`, on rank 0. So both forms always say the same. */
#ifndef THAW_SRC_CLI_COMMAND_H
#define THAW_SRC_CLI_COMMAND_H

#include <jansson.h>

#include "src/cli/options.h"
#include "thaw/comm.h"

/* What `run` gets besides its own values. */
struct session {
	struct thaw_comm *comm;
	const struct settings *settings;
};

struct command {
	const char *name;
	const char *usage;                /* behind "thaw NAME" */
	const char *summary;              /* one phrase */
	const char *about;                /* a few sentences for --help */
	int min_arguments, max_arguments; /* besides flags */
	const char *argument;             /* what one is called in messages */
	const struct option *options;
	size_t size;                    /* of the structure of values, which starts with struct common */
	void (*defaults)(void *values); /* fills a zeroed structure, but for its struct common; may be NULL */
	bool alone;                     /* rank 0 does the work, the others wait */
	bool stops;                     /* asks thaw_stop_requested: a signal does not end it at once */
	/* Runs on every rank alike unless `alone`; the same status on all ranks, or a failure of a rank alone
	 * (failure.h). *result is set on rank 0 (a new reference), also when the status is a failure that has a result,
	 * else stays NULL. */
	thaw_status (*run)(struct session *session, const void *values, json_t **result);
	void (*print)(const json_t *result, FILE *out);
};

extern const struct command command_advise, command_rank, command_train, command_eval, command_predict, command_inspect,
	command_export, command_bench, command_doctor;

/* One line to the log (stderr) of rank 0. */
void log_line(const struct session *session, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A thaw_callbacks's `stop`: whether a signal asked to end. */
bool stop_requested(void *context);

/* "thaw: MESSAGE" on stderr, in one line; for rank 0, or a rank that is alone. */
void print_error(const char *message);

/* Makes a failure on any rank the failure of all (thaw_comm_agree). */
thaw_status agree(const struct session *session, thaw_status status);

/* *result = object, or THAW_RESOURCE when jansson had no memory for it (NULL). */
thaw_status give_result(json_t **result, json_t *object);

#endif
