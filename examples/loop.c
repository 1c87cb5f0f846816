/* A training loop by hand: batches, forward, loss, backward, all-reduce, update. Any number of ranks up to the number
 * of lanes gives the same weights, bit for bit.
 *
 * Build:  make -C examples loop             (with PKG_CONFIG_PATH where Thaw is not in a standard place)
 * Run:    ./loop MODEL DATA STEPS           or: mpirun -n 2 ./loop MODEL DATA STEPS
 *         ./loop builtin photos 100         photos/train/CLASS/*.jpg and photos/val/CLASS/*.jpg */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <thaw/mpi.h>
#include <thaw/thaw.h>

#define LANES 4 /* the batch is divided into lanes, the lanes among the ranks */
#define BATCH 4 /* images of a lane in one step */
#define SEED  1

enum { SLOT_IMAGES, SLOT_LOSS, SLOT_FAILED, SLOTS }; /* numbers that are summed together with the gradient */

struct loop {
	struct thaw_comm comm;
	struct thaw_dataset data;
	struct thaw_model *model;
	struct thaw_executor *executor;
	struct thaw_loader *loader;
	struct thaw_allreduce *allreduce;
	int64_t length;      /* values of all trainable parameters together */
	float *values;       /* [length] the parameters, one after the other */
	float *gradient[1024]; /* [graph->param_count] where backward writes: in the vector of the current lane */
	float rate;
};

/* Called by the all-reduce when the gradient's total of a shard is known. Each rank updates its own shards. */
static void update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	struct loop *l = context;
	if (slots[SLOT_FAILED] > 0 || slots[SLOT_IMAGES] == 0)
		return;
	for (int64_t i = 0; i < shard.count; i++)
		l->values[shard.start + i] -= l->rate / slots[SLOT_IMAGES] * total[i];
}
