/* Signals that request a stop.
 *
 * A signal handler has no user argument and may only write variables of type volatile sig_atomic_t: hence the static
 * variables.
 *
 * mpi/open.c describes which signals reach a rank under Open MPI's mpirun. */
#include "src/cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const struct {
	int number;
	const char *name;
} stop_signals[] = {
	{SIGTERM, "SIGTERM"}, {SIGINT, "SIGINT"}, {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}, {SIGXCPU, "SIGXCPU"},
};
#define STOP_SIGNALS ((int)(sizeof(stop_signals) / sizeof(stop_signals[0])))

static volatile sig_atomic_t stop_signal; /* the first one received, 0: none */
static volatile sig_atomic_t interrupted; /* SIGINT was received */

static const char *volatile announced;    /* line to print at the first signal; NULL: none */
static const char *volatile exit_line;    /* line to print before the process ends; NULL: signals are recorded */
static volatile sig_atomic_t on_terminal; /* stderr is a terminal, where a progress bar may be */

/* Uses only functions that are safe in a signal handler. */
static void print_signal_line(const char *line)
{
	static const char clear[] = "\r\033[K";
	int saved = errno;
	if (line && *line && (!on_terminal || write(STDERR_FILENO, clear, sizeof(clear) - 1) > 0) &&
	    write(STDERR_FILENO, line, strlen(line)) > 0 && write(STDERR_FILENO, "\n", 1) < 0)
		announced = NULL;
	errno = saved;
}

static void record_signal(int number)
{
	if (number == SIGINT && interrupted) {
		/* The default action, so that the parent sees the cause. The signal is blocked while its handler
		 * runs, and is delivered when the handler returns. */
		signal(SIGINT, SIG_DFL);
		raise(SIGINT);
		return;
	}
	if (number == SIGINT)
		interrupted = 1;
	if (!stop_signal) {
		stop_signal = number;
		print_signal_line(exit_line ? exit_line : announced);
		if (exit_line)
			_exit(THAW_UNFINISHED);
	}
}

thaw_status thaw_signals_install(void)
{
	struct sigaction action = {.sa_handler = record_signal, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	stop_signal = 0;
	interrupted = 0;
	for (int i = 0; i < STOP_SIGNALS; i++)
		if (sigaction(stop_signals[i].number, &action, NULL) != 0)
			return thaw_fail(THAW_RESOURCE, "cannot install a signal handler: %s: %s", stop_signals[i].name,
					 strerror(errno));
	return THAW_OK;
}

void thaw_signals_announce(const char *line)
{
	on_terminal = isatty(STDERR_FILENO);
	announced = line;
}

void thaw_signals_exit(const char *line)
{
	on_terminal = isatty(STDERR_FILENO);
	exit_line = line;
}

int thaw_stop_requested(void)
{
	return stop_signal;
}

const char *thaw_signal_name(int signal)
{
	for (int i = 0; i < STOP_SIGNALS; i++)
		if (stop_signals[i].number == signal)
			return stop_signals[i].name;
	return "a signal";
}
