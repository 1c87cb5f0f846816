/* Fine-tunes a network on a folder of images, as `thaw train` does.
 *
 * Build:  make -C examples train            (set PKG_CONFIG_PATH when Thaw is not in a standard place)
 * Run:    ./train MODEL DATA OUT            or: mpirun -n 4 ./train MODEL DATA OUT
 *         ./train builtin photos run        photos/CLASS/image.jpg; run/ receives checkpoints, metrics and the model
 *
 * The same command continues a run that was interrupted. */
#include <signal.h>
#include <stdio.h>

#include <thaw/mpi.h>
#include <thaw/thaw.h>

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
	(void)number;
	stop_requested = 1;
}

static void print_log(void *context, const char *line)
{
	(void)context;
	fprintf(stderr, "%s\n", line);
}

static void print_progress(void *context, const struct thaw_train_progress *p)
{
	(void)context;
	fprintf(stderr, "%s: epoch %d/%d, step %lld/%lld, loss %.4f\n", p->phase, p->epoch, p->epochs,
		(long long)p->step, (long long)p->steps, p->loss);
}

/* Called between two steps, on every rank. When one returns true, the run saves its state and returns THAW_UNFINISHED.
 */
static bool stop(void *context)
{
	(void)context;
	return stop_requested;
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr, "usage: train MODEL DATA OUT\n");
		return THAW_USAGE;
	}
	signal(SIGTERM, on_signal); /* before MPI starts */

	struct thaw_comm comm;
	thaw_status status = thaw_mpi_open(&comm);
	json_t *summary = NULL;
	if (status == THAW_OK) {
		struct thaw_train_options options;
		thaw_train_defaults(&options);
		options.model = argv[1];
		options.data = argv[2];
		options.out = argv[3];
		options.epochs = 2;
		const struct thaw_callbacks callbacks = {.log = print_log, .progress = print_progress, .stop = stop};
		status = thaw_train(&comm, &options, &callbacks, &summary);
		/* A failure of one rank alone becomes the failure of all, so that all ranks return the same status. */
		status = thaw_comm_agree(&comm, status);
	}

	if (status != THAW_OK && comm.rank == 0)
		fprintf(stderr, "train: %s\n", thaw_error_message());
	if (summary) { /* on rank 0 */
		json_dumpf(summary, stdout, JSON_INDENT(2));
		printf("\n");
		json_decref(summary);
	}
	comm.close(&comm);
	return status;
}
