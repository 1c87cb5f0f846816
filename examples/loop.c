/* An explicit training loop: batches, forward, loss, backward, all-reduce, update. Any number of ranks up to the number
 * of lanes gives the same weights, bit for bit.
 *
 * Build:  make -C examples loop             (set PKG_CONFIG_PATH when Thaw is not in a standard place)
 * Run:    ./loop MODEL DATA STEPS           or: mpirun -n 2 ./loop MODEL DATA STEPS
 *         ./loop builtin photos 100         photos/train/CLASS/image.jpg, photos/val/CLASS/image.jpg */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <thaw/mpi.h>
#include <thaw/thaw.h>

enum { LANES = 4, BATCH = 4, SEED = 1 }; /* a batch of each lane makes a step; the lanes are divided among the ranks */
enum { IMAGES, LOSS, SLOTS };            /* numbers that are summed together with the gradients */

#define RATE 0.01f
#define TRY(call)                                \
	do {                                     \
		thaw_status try_status = (call); \
		if (try_status != THAW_OK)       \
			return try_status;       \
	} while (0)

struct loop {
	struct thaw_comm comm;
	struct thaw_dataset data;
	struct thaw_model *model;
	struct thaw_executor *executor;
	struct thaw_loader *loader;
	struct thaw_allreduce *allreduce;
	float *values;    /* the trainable parameters, one after the other */
	int64_t length;   /* of values */
	float **gradient; /* [param_count] where backward writes; NULL: frozen */
	int64_t *order;   /* samples of a lane in an epoch */
};

/* Called during the exchange: each rank updates its shards of the parameters, and the all-reduce distributes them. */
static void update(void *context, struct thaw_shard shard, float *total, const float *slots)
{
	const struct loop *l = context;
	for (int64_t i = 0; i < shard.count && slots[IMAGES] > 0; i++)
		l->values[shard.start + i] -= RATE / slots[IMAGES] * total[i];
}

/* Counts the values that are trained, and moves them to vector[] one parameter after the other; NULL: only counts. */
static int64_t flatten(struct thaw_graph *g, float *vector)
{
	int64_t at = 0;
	for (int i = 0; i < g->param_count; i++) {
		if (!g->params[i].trainable)
			continue;
		if (vector)
			thaw_param_move_data(&g->params[i], vector + at);
		at += thaw_shape_count(&g->params[i].shape);
	}
	return at;
}

static thaw_status open_loop(struct loop *l, const char *model, const char *data)
{
	const struct thaw_dataset_options options = {.seed = SEED};
	TRY(thaw_dataset_open(&l->data, data, THAW_SPLIT_TRAIN, &options));
	TRY(thaw_model_load(&l->model, model, l->data.classes, SEED));
	TRY(thaw_model_set_classes(l->model, l->data.classes, l->data.class_names, SEED));
	TRY(thaw_graph_unfreeze(l->model->graph, "all")); /* batch norms keep their statistics */

	l->length = flatten(l->model->graph, NULL);
	l->values = thaw_alloc((size_t)l->length, sizeof(*l->values));
	l->gradient = thaw_alloc((size_t)l->model->graph->param_count, sizeof(*l->gradient));
	l->order = thaw_alloc((size_t)l->data.count, sizeof(*l->order));
	if (!l->values || !l->gradient || !l->order)
		return THAW_RESOURCE;
	flatten(l->model->graph, l->values);

	const struct thaw_preprocess *preprocess = &l->model->preprocess;
	const struct thaw_shape images = thaw_shape_of(BATCH, preprocess->size.height, preprocess->size.width, 3);
	const struct thaw_augment augment = thaw_augment_default();
	const struct thaw_sharding shards = {l->length, THAW_ALLREDUCE_BUCKET, l->comm.size};
	const struct thaw_allreduce_update use = {.context = l, .update = update, .values = l->values};
	TRY(thaw_executor_create(&l->executor, l->model->graph, &images, THAW_WHOLE, true));
	TRY(thaw_loader_create(&l->loader, &l->data, preprocess, &augment, 2, LANES));
	return thaw_allreduce_create(&l->allreduce, &l->comm, LANES, &shards, SLOTS, &use);
}

/* Reads the images of a lane for a step; the lane has a new order of its samples in each epoch. */
static thaw_status read_batch(struct loop *l, int lane, int64_t step, struct thaw_batch **batch)
{
	int64_t steps = thaw_lane_count(l->data.count, LANES, LANES - 1) / BATCH; /* per epoch */
	if (steps == 0)
		return thaw_fail(THAW_CONFIG, "too few images: %lld: use %d or more", (long long)l->data.count,
				 LANES * BATCH);
	const uint64_t epoch = (uint64_t)(step / steps);
	thaw_lane_order(l->data.count, LANES, lane, SEED, epoch, l->order);
	const struct thaw_batch_request request = {.samples = l->order + step % steps * BATCH,
						   .count = BATCH,
						   .size = l->model->preprocess.size,
						   .seed = SEED,
						   .epoch = epoch,
						   .training = true,
						   .view = epoch};
	TRY(thaw_loader_submit(l->loader, &request));
	return thaw_loader_next(l->loader, batch);
}

/* Forward and backward. vector[length + SLOTS] receives the gradients of the sum of the losses, and the slots. */
static void run_lane(struct loop *l, const struct thaw_batch *batch, float *vector)
{
	const struct thaw_graph *g = l->model->graph;
	const size_t image = (size_t)l->model->preprocess.size.height * (size_t)l->model->preprocess.size.width * 3;
	double loss;
	int64_t correct;
	if (batch->count == 0) { /* damaged images are skipped */
		memset(vector, 0, (size_t)(l->length + SLOTS) * sizeof(*vector));
		return;
	}
	memcpy(thaw_executor_input(l->executor), batch->images, (size_t)batch->count * image * sizeof(float));
	const float *logits = thaw_executor_forward(l->executor, batch->count, batch->keys);
	float *dlogits = thaw_executor_dlogits(l->executor);
	thaw_cross_entropy(logits, batch->count, l->model->classes, batch->labels, 0, dlogits, &loss, &correct);
	for (int i = 0; i < g->param_count; i++)
		l->gradient[i] = g->params[i].trainable ? vector + (g->params[i].data - l->values) : NULL;
	thaw_executor_backward(l->executor, dlogits, l->gradient);
	vector[l->length + IMAGES] = (float)batch->count;
	vector[l->length + LOSS] = (float)loss;
}

/* The lanes of this rank in a step. */
static thaw_status run_lanes(struct loop *l, int64_t step)
{
	int end = thaw_lanes_first(LANES, l->comm.size, l->comm.rank + 1);
	for (int lane = thaw_lanes_first(LANES, l->comm.size, l->comm.rank); lane < end; lane++) {
		struct thaw_batch *batch;
		TRY(read_batch(l, lane, step, &batch));
		run_lane(l, batch, thaw_allreduce_next(l->allreduce));
		thaw_loader_release(l->loader, batch);
		thaw_allreduce_push(l->allreduce);
	}
	return THAW_OK;
}

static thaw_status train(struct loop *l, int64_t steps)
{
	for (int64_t step = 0; step < steps; step++) {
		const float *slots;
		/* A rank that fails must tell the others, which would wait for it in the exchange. */
		TRY(thaw_comm_agree(&l->comm, run_lanes(l, step)));
		TRY(thaw_allreduce_finish(l->allreduce, &slots));
		if (l->comm.rank == 0)
			printf("step %lld: loss %.6f\n", (long long)step + 1, slots[LOSS] / slots[IMAGES]);
	}
	if (l->comm.rank == 0)
		printf("digest of the weights: %016llx\n",
		       (unsigned long long)thaw_digest(l->values, (size_t)l->length * sizeof(float), 0));
	return THAW_OK;
}

int main(int argc, char **argv)
{
	struct loop l = {0};
	thaw_status status = thaw_mpi_open(&l.comm);
	if (status == THAW_OK && argc != 4)
		status = thaw_fail(THAW_USAGE, "usage: loop MODEL DATA STEPS");
	if (status == THAW_OK)
		status = thaw_comm_agree(&l.comm, open_loop(&l, argv[1], argv[2]));
	if (status == THAW_OK)
		status = train(&l, strtoll(argv[3], NULL, 10));
	if (status != THAW_OK && l.comm.rank == 0)
		fprintf(stderr, "loop: %s\n", thaw_error_message());

	thaw_allreduce_destroy(l.allreduce);
	thaw_loader_destroy(l.loader);
	thaw_executor_destroy(l.executor);
	thaw_model_destroy(l.model);
	thaw_dataset_close(&l.data);
	thaw_free(l.order);
	thaw_free(l.gradient);
	thaw_free(l.values);
	l.comm.close(&l.comm);
	return status;
}
