/* Fuzzes the choice of the checkpoint that a run continues from: the input is the content of the run's only checkpoint,
 * weights and position. What is accepted lies within the run and has every tensor of its phase. */
#include "src/checkpoint/frame.h"
#include "src/train/run.h"
#include "tests/fuzz/fuzz.h"

enum { STEP = 3, STEPS_PER_EPOCH = 2, IMAGES = 12, LIMIT = 1 << 14 };

/* A 1x1 convolution and a classifier, one block each. */
static struct thaw_graph *two_blocks(void)
{
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_shape w = thaw_shape_of(1, 1, 3, 2), fc = thaw_shape_of(2, 2), b = thaw_shape_of(2);
	thaw_graph_block(g, "conv");
	int x = thaw_graph_add(g, "conv", "conv", NULL, (int[]){0}, 1);
	thaw_graph_param(g, x, "conv.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &w, NULL);
	thaw_graph_block(g, "fc");
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &fc, NULL);
	thaw_graph_param(g, x, "fc.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &b, NULL);
	if (thaw_graph_finish(g) != THAW_OK)
		abort();
	return g;
}

static void expect_line(void *context, const char *line)
{
	(void)context;
	if (!line[0] || strchr(line, '\n'))
		abort();
}

static void put_checkpoint(const uint8_t *bytes, size_t size)
{
	struct thaw_frame_writer *f = NULL;
	if (thaw_frame_open(&f, fuzz_path("step-3.safetensors.zst"), size, 1) != THAW_OK ||
	    thaw_frame_append(f, bytes, size) != THAW_OK || thaw_frame_commit(f) != THAW_OK)
		abort();
}

static void expect_possible(const struct run *r, const struct position *at, const struct thaw_weights *w)
{
	if (at->total_steps != STEP || at->phase < 0 || at->phase >= r->phase_count || at->epoch < 0 ||
	    at->epoch >= r->phases[at->phase].epochs || at->step < 0 || at->step > STEPS_PER_EPOCH ||
	    !(at->epoch_images <= IMAGES) || !(at->epoch_correct <= at->epoch_images))
		abort();
	const struct thaw_named_tensor *t = thaw_weights_find(w, "optimizer.momentum.fc.bias");
	if (!t || t->dtype != THAW_F32 || thaw_shape_count(&t->shape) != 2)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static struct thaw_model model = {.digest = 0xabc};
	static const struct thaw_callbacks callbacks = {.log = expect_line};
	if (!model.graph)
		model.graph = two_blocks();
	if (size > LIMIT)
		return 0;
	struct thaw_comm alone = thaw_comm_alone();
	const struct run r = {.comm = &alone,
			      .options = {.out = fuzz_folder(), .bn = THAW_BN_FROZEN},
			      .callbacks = &callbacks,
			      .train = {.count = IMAGES},
			      .model = &model,
			      .optimizer = thaw_optimizer_find("sgd"),
			      .phases = {{"head", "head", 1, 0.1}, {"train", "all", 2, 0.1}},
			      .phase_count = 2,
			      .steps_per_epoch = STEPS_PER_EPOCH};
	struct thaw_weights w = {0};
	struct position at = {0};
	int64_t step = -1;
	put_checkpoint(bytes, size);
	if (run_find_checkpoint(&r, &w, &at, &step) != THAW_OK)
		fuzz_expect_message();
	else
		expect_possible(&r, &at, &w);
	thaw_weights_free(&w);
	return 0;
}
