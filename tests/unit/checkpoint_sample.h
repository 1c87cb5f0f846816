/* Small checkpoints for tests: states whose values depend on their step. */
#ifndef THAW_TESTS_UNIT_CHECKPOINT_SAMPLE_H
#define THAW_TESTS_UNIT_CHECKPOINT_SAMPLE_H

#include "tests/scratch.h"

#include "thaw/checkpoint.h"
#include "thaw/random.h"

/* A state of two tensors whose values depend on its step. */
struct sample {
	float *weight; /* [n] */
	int64_t position[2];
	struct thaw_named_tensor tensors[2];
	struct thaw_pair metadata[1];
	struct thaw_weights weights;
};

static inline struct sample *sample_make(int64_t step, int64_t n)
{
	struct sample *s = calloc(1, sizeof(*s));
	s->weight = malloc((size_t)n * sizeof(float));
	struct thaw_random r = thaw_random_stream(1, THAW_STREAM_INIT, (uint64_t)step, 0);
	for (int64_t i = 0; i < n; i++)
		s->weight[i] = thaw_random_normal(&r);
	s->position[0] = step;
	s->tensors[0] = (struct thaw_named_tensor){"fc.weight", THAW_F32, thaw_shape_of(n), s->weight};
	s->tensors[1] = (struct thaw_named_tensor){"position", THAW_I64, thaw_shape_of(2), s->position};
	s->metadata[0] = (struct thaw_pair){"base", "0123"};
	s->weights =
		(struct thaw_weights){.tensors = s->tensors, .count = 2, .metadata = s->metadata, .metadata_count = 1};
	return s;
}

static inline void sample_free(struct sample *s)
{
	free(s->weight);
	free(s);
}

static inline void assert_sample(const struct thaw_weights *w, int64_t step, int64_t n)
{
	struct sample *s = sample_make(step, n);
	const struct thaw_named_tensor *weight = thaw_weights_find(w, "fc.weight");
	const struct thaw_named_tensor *position = thaw_weights_find(w, "position");
	assert_int_equal(w->count, 2);
	assert_true(weight && weight->dtype == THAW_F32 && thaw_shape_equal(&weight->shape, &s->tensors[0].shape));
	assert_memory_equal(weight->data, s->weight, (size_t)n * sizeof(float));
	assert_memory_equal(position->data, s->position, sizeof(s->position));
	assert_string_equal(thaw_weights_get(w, "base"), "0123");
	sample_free(s);
}

#define SMALL 5 /* elements of most states here */

static inline struct thaw_checkpoint_writer *writer(const struct scratch *s, int keep_last)
{
	struct thaw_checkpoint_writer *w = NULL;
	struct thaw_checkpoint_options o = {.directory = s->path, .keep_last = keep_last, .level = 1};
	assert_int_equal(thaw_checkpoint_writer_create(&w, &o), THAW_OK);
	return w;
}

static inline thaw_status save(struct thaw_checkpoint_writer *w, int64_t step, bool best)
{
	struct sample *s = sample_make(step, SMALL);
	thaw_status status = thaw_checkpoint_save(w, step, &s->weights, best);
	/* The state may change as soon as the call has returned. */
	memset(s->weight, 0xff, SMALL * sizeof(float));
	sample_free(s);
	return status;
}

static inline const char *step_file(const struct scratch *s, int step)
{
	char name[64];
	snprintf(name, sizeof(name), "step-%d.safetensors.zst", step);
	return scratch_file(s, name);
}

static inline void damage(const char *path)
{
	size_t size;
	char *file = scratch_get(path, &size);
	file[size / 2] ^= 1;
	scratch_put(path, file, size);
	free(file);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

#endif
