/* Compares the space that a run will need with what is free. */
#include <sys/statvfs.h>

#include "src/base/minmax.h"
#include "src/train/run.h"
#include "src/train/state_size.h"
#include "thaw/memory.h"

#define MEGABYTE    1e6
#define EXTRA_FILES 2 /* the best checkpoint and the one being written, besides --keep */

/* Whether the checkpoints and the trained network have room. A quota cannot be seen here, nor what others will write.
 */
void run_check_space(const struct run *r)
{
	struct statvfs disk;
	int64_t *steps, held = 0;
	int count;
	if (r->comm->rank != 0 || statvfs(r->options.out, &disk) != 0 || disk.f_blocks == 0 ||
	    thaw_checkpoint_list(&steps, &count, r->options.out) != THAW_OK)
		return;
	thaw_free(steps);
	held = min_int64(count, r->options.keep + EXTRA_FILES);
	double needed = (double)r->state_bytes * (double)(r->options.keep + EXTRA_FILES - held) +
			(double)thaw_network_size(r->model->graph);
	double free = (double)disk.f_bavail * (double)disk.f_frsize;
	if (free < needed)
		run_log(r,
			"warning: little space: --out %s: checkpoints and the trained network need up to %.0f MB, and "
			"%.0f MB are free: free some, or older checkpoints will be removed",
			r->options.out, needed / MEGABYTE, free / MEGABYTE);
}
