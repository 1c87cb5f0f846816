/* Subcommands.
 *
 * A command is one file and one line in the table of main.c. Its `run` does the work and returns a JSON object; main
 * parses the command line, opens the communicator and prints the result on rank 0, as JSON (--json) or through the
 * command's `print`. Both forms are made from the same object. */
#ifndef THAW_SRC_CLI_COMMAND_H
#define THAW_SRC_CLI_COMMAND_H

#include <jansson.h>

#include "src/cli/settings.h"
#include "thaw/comm.h"

/* Context of `run`. */
struct session {
	struct thaw_comm *comm;
	const struct settings *settings;
};

struct command {
	const char *name;
	const char *usage;                /* what follows "thaw NAME" */
	const char *summary;              /* one phrase */
	const char *about;                /* a few sentences for --help */
	int min_arguments, max_arguments; /* besides flags */
	const char *argument;             /* name of an argument in messages */
	const struct option *options;
	size_t size;                    /* of the structure of values; it starts with struct common */
	void (*defaults)(void *values); /* fills a zeroed structure, except its struct common; may be NULL */
	bool alone;                     /* rank 0 does the work; the others wait */
	bool reports_launch;            /* its result contains the warnings on the launch; main does not log them */
	/* What rank 0 prints when a signal ends the command, with code THAW_UNFINISHED; NULL: signals are not handled.
	 * A command with `stops` may call thaw_signals_exit(NULL), and then polls thaw_stop_requested: `stops` is what
	 * rank 0 prints then. */
	const char *ends;
	const char *stops;
	/* Runs on every rank unless `alone`. Returns the same status on all ranks, or a failure on a single rank
	 * (failure.h). Sets *result on rank 0 (new reference), possibly also on failure; otherwise *result stays
	 * NULL. */
	thaw_status (*run)(struct session *session, const void *values, json_t **result);
	void (*print)(const json_t *result, FILE *out);
};

extern const struct command command_advise, command_compare, command_train, command_eval, command_predict,
	command_embed, command_networks, command_inspect, command_verify, command_export, command_pack, command_bench,
	command_check, command_doctor;

#endif
