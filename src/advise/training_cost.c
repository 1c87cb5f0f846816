#include "src/advise/training_cost.h"

#include "thaw/tensor.h"

#define SECONDS_PER_HOUR 3600.0
#define MEBIBYTE         (1024.0 * 1024.0)
#define PROGRAM_BYTES    (64.0 * MEBIBYTE) /* program, libraries, MPI buffers, images being decoded */
#define BACKWARD         2.0               /* time of a backward pass, in forward passes */

/* Core seconds per image of a training epoch: measured by a pilot with this cut, or estimated from the FLOPs, scaled by
 * the mean ratio of measured to estimated time of the other pilots. */
static double image_seconds(const struct advice *a, int cut)
{
	double forward = a->image.seconds, per_work = forward * (1.0 + BACKWARD * a->cut[cut].share), ratio = 0.0;
	int piloted = 0;
	for (int i = 0; i < a->pilots.count; i++) {
		const struct thaw_pilot *p = &a->pilots.pilot[i];
		if (p->trial.diverged || p->epochs == 0)
			continue;
		double seconds = p->trial.train_seconds * a->comm->size / ((double)a->pilots.train_images * p->epochs);
		if (p->cut == cut)
			return seconds;
		ratio += seconds / (forward * (1.0 + BACKWARD * a->cut[p->cut].share));
		piloted++;
	}
	return cut > 0 && piloted > 0 ? per_work * ratio / piloted : per_work;
}

static double memory_bytes(const struct advice *a, int cut)
{
	double weights = 0.0, buffers = 0.0;
	for (int i = 0; i < a->model->graph->param_count; i++)
		weights += (double)thaw_shape_count(&a->model->graph->params[i].shape) * sizeof(float);
	for (int i = 0; i < a->pilots.count; i++) { /* without a pilot: that of the next deeper one */
		const struct thaw_pilot *p = &a->pilots.pilot[i];
		if (p->cut >= cut && !p->trial.diverged && (buffers == 0.0 || p->cut == cut))
			buffers = (double)p->trial.bytes;
	}
	return weights + buffers + PROGRAM_BYTES;
}

struct thaw_training_cost thaw_advice_training_cost(const struct advice *a, int cut)
{
	const struct thaw_recipe *r = &a->recipe;
	double images = (double)a->images, tests = (double)a->test_images;
	double seconds = r->head_epochs * images * a->image.seconds + r->epochs * images * image_seconds(a, cut) +
			 (r->head_epochs + r->epochs) * tests * a->image.seconds;
	return (struct thaw_training_cost){a->rank_count, seconds / a->rank_count / SECONDS_PER_HOUR,
					   seconds / SECONDS_PER_HOUR, memory_bytes(a, cut) / MEBIBYTE};
}
