/* Writes the initial weights and the batches of a run, so that another framework can repeat it:
 *
 *   OUT/init.safetensors   all weights at step 0, including the new classifier
 *   OUT/batches.bin        per step: int32 n, then n int32 labels, then n x 3 channels-last fp32 images;
 *                          the batches of a step's lanes are concatenated
 *
 * Usage: dump_run MODEL DATA OUT LANES BATCH SEED STEPS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"

static thaw_status write_all(FILE *f, const void *bytes, size_t size)
{
	return fwrite(bytes, 1, size, f) == size
		       ? THAW_OK
		       : thaw_fail(THAW_IO, "cannot write: batches.bin: check the free space");
}

static thaw_status dump_step(struct run *r, FILE *f)
{
	int lanes = r->options.lanes;
	struct thaw_batch **batch = thaw_alloc((size_t)lanes, sizeof(struct thaw_batch *));
	if (!batch)
		return THAW_RESOURCE;
	int32_t n = 0;
	for (int i = 0; i < lanes; i++) {
		THAW_TRY(thaw_loader_next(r->train_loader, &batch[i]));
		n += (int32_t)batch[i]->count;
	}
	THAW_TRY(write_all(f, &n, sizeof(n)));
	for (int i = 0; i < lanes; i++)
		THAW_TRY(write_all(f, batch[i]->labels, (size_t)batch[i]->count * sizeof(int32_t)));
	size_t image = thaw_size_floats(r->preprocess.size) * sizeof(float);
	for (int i = 0; i < lanes; i++) {
		THAW_TRY(write_all(f, batch[i]->images, (size_t)batch[i]->count * image));
		thaw_loader_release(r->train_loader, batch[i]);
	}
	thaw_free(batch);
	return THAW_OK;
}

static thaw_status dump(struct run *r, const char *out, int64_t steps)
{
	THAW_TRY(thaw_make_directory(out));
	THAW_TRY(run_open(r));
	char *path = thaw_format("%s/init.safetensors", out);
	THAW_TRY(thaw_model_save(r->model, path, false));
	THAW_TRY(run_enter_phase(r, 0));
	thaw_free(path);
	path = thaw_format("%s/batches.bin", out);
	FILE *f = fopen(path, "wb");
	thaw_free(path);
	if (!f)
		return thaw_fail(THAW_IO, "cannot write: %s", out);
	thaw_status status = THAW_OK;
	while (status == THAW_OK && r->at.total_steps < steps) {
		if (r->at.step == 0)
			status = run_feed_epoch(r);
		if (status == THAW_OK)
			status = run_feed_ahead(r, r->at.step + RUN_STEPS_AHEAD);
		if (status == THAW_OK)
			status = dump_step(r, f);
		r->at.total_steps++;
		if (++r->at.step == r->steps_per_epoch) {
			r->at.step = 0;
			r->at.epoch++;
		}
	}
	return fclose(f) == 0 ? status : thaw_fail(THAW_IO, "cannot write: %s", out);
}

int main(int argc, char **argv)
{
	if (argc != 8) {
		fprintf(stderr, "usage: dump_run MODEL DATA OUT LANES BATCH SEED STEPS\n");
		return THAW_USAGE;
	}
	struct thaw_comm comm = thaw_comm_alone();
	struct run r = {.comm = &comm};
	thaw_train_defaults(&r.options);
	r.options.model = argv[1];
	r.options.data = argv[2];
	r.options.out = argv[3];
	r.options.lanes = atoi(argv[4]);
	r.options.batch = atoi(argv[5]);
	r.options.seed = atoll(argv[6]);
	thaw_status status = dump(&r, argv[3], atoll(argv[7]));
	if (status != THAW_OK)
		fprintf(stderr, "dump_run: %s\n", thaw_error_message());
	run_close(&r);
	return status;
}
