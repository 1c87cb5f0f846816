#include "src/advise/training_cost.h"

#include "thaw/tensor.h"

#define SECONDS_PER_HOUR 3600.0
#define MEBIBYTE         (1024.0 * 1024.0)
#define PROGRAM_BYTES    (64.0 * MEBIBYTE) /* program, libraries, MPI's buffers, images being decoded */
#define BACKWARD         2.0               /* a backward pass takes about so many forward ones */

/* Seconds of one rank for an image of a training epoch: of a pilot of this cut, or from the network's work. */
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

static double memory(const struct advice *a, int cut)
{
	double weights = 0.0, buffers = 0.0;
	for (int i = 0; i < a->model->graph->param_count; i++)
		weights += (double)thaw_shape_count(&a->model->graph->params[i].shape) * sizeof(float);
	for (int i = 0; i < a->pilots.count; i++) { /* a cut without a pilot needs what the next deeper one does */
		const struct thaw_pilot *p = &a->pilots.pilot[i];
		if (p->cut >= cut && !p->trial.diverged && (buffers == 0.0 || p->cut == cut))
			buffers = (double)p->trial.bytes;
	}
	return weights + buffers + PROGRAM_BYTES;
}

struct thaw_training_cost advice_cost(const struct advice *a, int cut)
{
	const struct thaw_recipe *r = &a->recipe;
	int ranks = advice_ranks(a);
	double images = (double)a->images, tests = (double)a->test_images;
	double seconds = r->head_epochs * images * a->image.seconds + r->epochs * images * image_seconds(a, cut) +
			 (r->head_epochs + r->epochs) * tests * a->image.seconds;
	return (struct thaw_training_cost){ranks, seconds / ranks / SECONDS_PER_HOUR, seconds / SECONDS_PER_HOUR,
					   memory(a, cut) / MEBIBYTE};
}
