/* The program: finds the command, opens the communicator, runs, prints, and ends with the same exit code on all ranks.
 *
 * --help and --version are handled before MPI is initialised, so that they work on a login node too. The command line
 * is also parsed before, but errors in it are printed after, when the rank is known. */
#include <cblas.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/cli/blas_kernel.h"
#include "src/cli/clean_text.h"
#include "src/cli/command.h"
#include "src/cli/descriptors.h"
#include "src/cli/failure.h"
#include "src/cli/launch_report.h"
#include "src/cli/log.h"
#include "src/cli/option_value.h"
#include "src/cli/signals.h"
#include "src/cli/suggest.h"
#include "src/cli/wrap.h"
#include "thaw/memory.h"
#include "thaw/mpi.h"
#include "thaw/version.h"

static const struct command *const commands[] = {
	&command_advise, &command_compare,  &command_train,   &command_eval,   &command_predict,
	&command_embed,  &command_networks, &command_inspect, &command_verify, &command_export,
	&command_pack,   &command_bench,    &command_check,   &command_doctor,
};
#define COMMANDS    ((int)(sizeof(commands) / sizeof(commands[0])))
#define SHOWN_VALUE 256 /* bytes of an option or its value in messages */

/* The parsed command line. */
struct invocation {
	const struct command *command; /* NULL: not found */
	void *values;                  /* the command's structure, from thaw_alloc */
	struct settings settings;
};

static void print_program_help(FILE *out)
{
	fputs("thaw: fine-tunes pretrained image networks on CPU clusters\n\n"
	      "Usage: thaw COMMAND [flags]\n"
	      "       mpirun -n RANKS thaw COMMAND [flags]\n\nCommands:\n",
	      out);
	for (int i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\nthaw help COMMAND lists the flags of a command; thaw --version prints the version.\n\n"
	      "Exit codes: 0 success; 64 usage error; 65 invalid data; 70 internal error; 71 out of memory or "
	      "threads;\n"
	      "74 I/O error; 75 saved but not finished, run again; 78 configuration error.\n",
	      out);
}

static void print_command_help(const struct command *c, const void *values, FILE *out)
{
	fprintf(out, "thaw %s: %s\n\nUsage: thaw %s %s\n\n", c->name, c->summary, c->name, c->usage);
	struct wrapped w = {.out = out};
	wrap_words(&w, c->about);
	fputc('\n', out);
	options_help(c->options, values, out);
	fputc('\n', out);
	w = (struct wrapped){.out = out};
	wrap_words(&w, "Any flag can also be given in the environment (--head-lr as THAW_HEAD_LR) or as a line of the "
		       "--config file (head-lr: 0.01). Flags override the environment, which overrides the file.");
	fputc('\n', out);
}

static const struct command *find_command(const char *name)
{
	for (int i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static thaw_status unknown_command(const char *name)
{
	struct suggestion s = {0};
	for (int i = 0; i < COMMANDS; i++)
		suggest(&s, name, commands[i]->name);
	if (s.word)
		return thaw_fail(THAW_USAGE, "unknown command: %s: did you mean %s?", name, s.word);
	return thaw_fail(THAW_USAGE, "unknown command: %s: thaw --help lists the commands", name);
}

static thaw_status check_arguments(const struct command *c, const struct settings *s)
{
	if (s->argument_count < c->min_arguments)
		return thaw_fail(THAW_USAGE, "an argument is missing: %s: the usage is thaw %s %s", c->argument,
				 c->name, c->usage);
	if (s->argument_count > c->max_arguments)
		return thaw_fail(THAW_USAGE, "one argument too many: %s: the usage is thaw %s %s",
				 s->arguments[c->max_arguments], c->name, c->usage);
	return THAW_OK;
}

/* Finds the command argv[1] and parses the rest. */
static thaw_status resolve(struct invocation *v, int argc, char **argv)
{
	if (argc < 2)
		return thaw_fail(THAW_USAGE, "no command: thaw --help lists the commands");
	const struct command *c = find_command(argv[1]);
	if (!c)
		return unknown_command(argv[1]);
	if (!(v->values = thaw_alloc(1, c->size)))
		return THAW_RESOURCE;
	v->command = c;
	((struct common *)v->values)->threads = 1;
	((struct common *)v->values)->timeout = -1.0;
	if (c->defaults)
		c->defaults(v->values);
	THAW_TRY(settings_resolve(&v->settings, c->options, v->values, argc - 2, argv + 2));
	return ((struct common *)v->values)->help ? THAW_OK : check_arguments(c, &v->settings);
}

/* A result that cannot be written is a failure, even if the command succeeded. */
static thaw_status flush_results(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return THAW_OK;
	return thaw_fail(THAW_IO, "cannot write the result: stdout: %s", strerror(errno));
}

/* Prints the result as text, without control characters: neither in names, nor in what the command adds. */
static thaw_status print_text(const struct command *c, const json_t *result)
{
	char *text = NULL;
	size_t size;
	json_t *clean = json_clean(result);
	FILE *memory = clean ? open_memstream(&text, &size) : NULL;
	if (memory)
		c->print(clean, memory);
	json_decref(clean);
	if (!memory || fclose(memory) != 0) {
		free(text);
		return thaw_fail(THAW_RESOURCE, "out of memory: the result as text: use --json");
	}
	thaw_text_clean(text, "\n");
	fputs(text, stdout);
	free(text);
	return THAW_OK;
}

static thaw_status print_result(const struct command *c, const void *values, const json_t *result)
{
	if (!result)
		return THAW_OK;
	if (!((const struct common *)values)->json)
		THAW_TRY(print_text(c, result));
	else if (!json_print(result, stdout))
		return thaw_fail(THAW_RESOURCE, "out of memory: the result as JSON: free memory on the node of rank 0");
	return flush_results();
}

/* Paths may differ between nodes; the contents are compared when they are opened. */
static bool is_path(const char *option)
{
	static const char *const names[] = {"config",  "plan",  "model",   "data",  "out",
					    "history", "stage", "exclude", "scores"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], option) == 0)
			return true;
	return false;
}

/* THAW_CONFIG unless all ranks have the same build and the same values. They share the command line, but mpirun does
 * not pass the environment to other nodes, and a --config or --plan file may differ there. Ranks with different lanes
 * or sizes would deadlock or sum unrelated gradients. */
static thaw_status compare_settings(const struct settings *s, struct thaw_comm *comm)
{
	char text[SHOWN_VALUE], flag[SHOWN_VALUE];
	THAW_TRY(thaw_comm_same(comm, thaw_build(), "version of thaw", "install the same program on every node"));
	for (int i = 0; s->options[i].name; i++) {
		if (is_path(s->options[i].name))
			continue;
		snprintf(flag, sizeof(flag), "--%s", s->options[i].name);
		THAW_TRY(thaw_comm_same(
			comm, option_show(&s->options[i], s->values, text, sizeof(text)), flag,
			"give it as a flag, or give every node the same environment, --config and --plan"));
	}
	return THAW_OK;
}

/* Returns the command's status, the same on all ranks. */
static thaw_status run_command(const struct command *c, struct session *session, const void *values, json_t **result)
{
	struct thaw_comm *comm = session->comm;
	if (!c->alone) {
		THAW_TRY(compare_settings(session->settings, comm));
		if (!c->reports_launch)
			THAW_TRY(launch_report(comm, ((const struct common *)values)->threads));
		return failure_agree(comm, c->run(session, values, result));
	}
	return failure_of_first(comm, comm->rank == 0 ? c->run(session, values, result) : THAW_OK);
}

/* On whichever rank notices the silence. */
static void print_silence(void *context, const char *line)
{
	(void)context;
	print_line(line);
}

static bool stop_requested(void *context)
{
	(void)context;
	return thaw_stop_requested() != 0;
}

/* Installs the handlers first: a signal between MPI_Init and their installation would kill the rank. */
static thaw_status open_ranks(const struct invocation *v, struct thaw_comm *comm)
{
	bool handled = v->command->ends || v->command->stops;
	if (handled) {
		THAW_TRY(thaw_signals_install());
		thaw_signals_exit("");
	}
	const struct thaw_watch_options watch = {
		.timeout = ((const struct common *)v->values)->timeout, .log = print_silence, .stop = stop_requested};
	THAW_TRY(thaw_mpi_open_watched(comm, &watch));
	if (!v->command->ends || v->command->alone)
		thaw_signals_exit(NULL); /* all ranks end together, or when rank 0 does */
	if (handled && comm->rank == 0) {
		thaw_signals_exit(v->command->ends);
		thaw_signals_announce(v->command->stops);
	}
	return THAW_OK;
}

static thaw_status run(const struct invocation *v, struct thaw_comm *comm)
{
	struct session session = {.comm = comm, .settings = &v->settings};
	json_t *result = NULL;
	openblas_set_num_threads(((const struct common *)v->values)->threads);
	thaw_status status = run_command(v->command, &session, v->values, &result);
	if (status != THAW_OK && comm->rank == 0)
		print_error(thaw_error_message());
	thaw_status printed = comm->rank == 0 ? print_result(v->command, v->values, result) : THAW_OK;
	json_decref(result);
	if (printed != THAW_OK)
		print_error(thaw_error_message());
	printed = thaw_comm_agree(comm, printed);
	return status != THAW_OK ? status : printed;
}

/* Handles --help and --version. Returns whether one was given. */
static bool print_requested_text(const struct invocation *v, int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";
	bool help = strcmp(word, "help") == 0 || strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
	if (strcmp(word, "--version") == 0)
		printf("thaw %s\n", thaw_build());
	else if (help)
		print_program_help(stdout);
	else if (v->command && ((const struct common *)v->values)->help)
		print_command_help(v->command, v->values, stdout);
	else
		return false;
	return true;
}

/* mpirun sends SIGTERM to the ranks that are still ending when one has exited with an error. */
static void ignore_signals(void)
{
	thaw_signals_exit(NULL);
	thaw_signals_announce(NULL);
}

/* Opens the ranks even after a usage error: only rank 0 prints it, and ranks whose own environment parsed without error
 * must learn that the job ends. If MPI fails, comm->rank is still set from the launcher's environment. */
static thaw_status refuse(thaw_status status, struct thaw_comm *comm)
{
	char *message = thaw_strdup(thaw_error_message());
	bool opened = thaw_mpi_open(comm) == THAW_OK;
	thaw_fail(status, "%s", message ? message : "out of memory");
	thaw_free(message);
	if (opened)
		status = thaw_comm_agree(comm, status);
	if (comm->rank == 0)
		print_error(thaw_error_message());
	return status;
}

int main(int argc, char **argv)
{
	if (!descriptors_reserve())
		return THAW_IO; /* no message: it could only go to a descriptor that is closed */
	blas_kernel_correct(argv);
	/* Training continues if the terminal goes away (SIGPIPE). Exceeding the file size limit (SIGXFSZ) becomes a
	 * failed write, which is reported. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);

	char *help[] = {argv[0], argc > 2 ? argv[2] : NULL, "--help", NULL};
	bool help_of_command = argc == 3 && strcmp(argv[1], "help") == 0;
	if (help_of_command)
		argc = 3, argv = help;

	struct invocation v = {0};
	struct thaw_comm comm = thaw_comm_alone();
	thaw_status status = resolve(&v, argc, argv);
	if (print_requested_text(&v, argc, argv)) {
		status = flush_results();
		if (status != THAW_OK)
			print_error(thaw_error_message());
	} else if (status != THAW_OK) {
		status = refuse(status, &comm);
	} else if ((status = open_ranks(&v, &comm)) != THAW_OK ||
		   (status = thaw_comm_agree(&comm, THAW_OK)) != THAW_OK) {
		if (comm.rank == 0)
			print_error(thaw_error_message());
	} else {
		status = run(&v, &comm);
	}
	ignore_signals();
	comm.close(&comm);
	settings_free(&v.settings);
	thaw_free(v.values);
	return status;
}
