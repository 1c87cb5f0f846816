/* Trainings for several labels, grades and numbers, with weights and with balanced sampling: they learn, with the same
 * bits on any number of ranks. Files of networks for these tasks. */
#include "tests/scratch.h"

#include <math.h>

#include "src/model/task.h"
#include "src/train/balanced_order.h"
#include "tests/unit/comm_threads.h"
#include "tests/unit/formula_weights.h"
#include "thaw/executor.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"
#include "thaw/train.h"

enum { TRAIN = 96, TEST = 40, SIDE = 12, PIXELS = SIDE * SIDE, LEVELS = 4, RANKS = 4 };

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* ---- Data ---------------------------------------------------------------------------------------------------------
 */

/* Image i is brighter for larger i mod LEVELS, and its left half has stripes if i mod 3 is 0. */
static void put_split(const struct scratch *s, const char *images_name, const char *labels_name, int count)
{
	uint8_t images[16 + TRAIN * PIXELS] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
	uint8_t labels[8 + TRAIN] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)count};
	for (int i = 0; i < count; i++) {
		labels[8 + i] = (uint8_t)(i % LEVELS);
		for (int k = 0; k < PIXELS; k++) {
			bool stripe = i % 3 == 0 && k % SIDE < SIDE / 2 && k / SIDE % 2 == 0;
			double noise = formula_uniform((uint64_t)count, (int64_t)i * PIXELS + k, 0.0, 30.0);
			images[16 + i * PIXELS + k] = (uint8_t)(stripe ? 255 : 20 + 45 * (i % LEVELS) + noise);
		}
	}
	scratch_put(scratch_file(s, images_name), images, 16 + (size_t)count * PIXELS);
	scratch_put(scratch_file(s, labels_name), labels, 8 + (size_t)count);
}

/* Both splits of a dataset that this test wrote. */
struct data {
	struct thaw_dataset train, test;
};

/* Labels: stripes, bright. Numbers: 1000 + 50 times the brightness, and stripes, which is not known of every tenth. */
static void set_targets(struct thaw_dataset *d, enum thaw_task task)
{
	enum { COUNT = 2 };
	d->task = task;
	if (task != THAW_TASK_LABELS && task != THAW_TASK_VALUE)
		return;
	for (int c = COUNT; c < d->classes; c++)
		thaw_free(d->class_names[c]);
	d->classes = COUNT;
	d->targets = thaw_alloc((size_t)d->count * COUNT, sizeof(*d->targets));
	assert_non_null(d->targets);
	for (int64_t i = 0; i < d->count; i++) {
		float stripes = i % 3 == 0, level = (float)(i % LEVELS);
		d->labels[i] = 0;
		d->targets[i * COUNT] = task == THAW_TASK_LABELS ? stripes : 1000.0f + 50.0f * level;
		d->targets[i * COUNT + 1] = task == THAW_TASK_LABELS ? level > 1.0f : i % 10 == 0 ? NAN : stripes;
	}
}

static struct data open_data(const struct scratch *s, enum thaw_task task)
{
	struct thaw_dataset_options options = {.seed = 1};
	struct data d;
	put_split(s, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", TRAIN);
	put_split(s, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", TEST);
	expect(thaw_dataset_open(&d.train, s->path, THAW_SPLIT_TRAIN, &options));
	expect(thaw_dataset_open(&d.test, s->path, THAW_SPLIT_TEST, &options));
	set_targets(&d.train, task);
	set_targets(&d.test, task);
	return d;
}

static void close_data(struct data *d)
{
	thaw_dataset_close(&d->train);
	thaw_dataset_close(&d->test);
}

static struct thaw_train_options small_options(void)
{
	struct thaw_train_options o;
	thaw_train_defaults(&o);
	o.model = "builtin";
	o.epochs = 12;
	o.lanes = 4;
	o.batch = 16;
	o.views = 1;
	o.lr = 0.05;
	o.seed = 3;
	return o;
}

/* ---- Trials -------------------------------------------------------------------------------------------------------
 */

struct job {
	const struct thaw_train_options *options;
	const struct data *data;
	struct thaw_trial trial[RANKS];
	thaw_status status[RANKS];
	char message[256];
};

static void run_rank(struct thaw_comm *comm, void *argument)
{
	struct job *j = argument;
	j->status[comm->rank] =
		thaw_train_trial(comm, j->options, &j->data->train, &j->data->test, NULL, NULL, &j->trial[comm->rank]);
	if (comm->rank == 0)
		snprintf(j->message, sizeof(j->message), "%s", thaw_error_message());
}

/* The trial, which has the same results on 1, 2 and 4 ranks. */
static struct thaw_trial try_on_ranks(const struct thaw_train_options *o, const struct data *data)
{
	struct thaw_trial first = {0};
	for (int ranks = 1; ranks <= RANKS; ranks *= 2) {
		struct job j = {.options = o, .data = data};
		ranks_run(ranks, run_rank, &j);
		if (j.status[0] != THAW_OK)
			fail_msg("%d ranks: %s", ranks, j.message);
		if (ranks == 1)
			first = j.trial[0];
		assert_true(j.trial[0].metric == first.metric && j.trial[0].loss == first.loss);
		assert_int_equal(j.trial[0].images, TEST);
	}
	return first;
}

static void expect_metric(struct thaw_trial trial, double least)
{
	if (!(trial.metric >= least && trial.metric <= 1.0 + 1e-9))
		fail_msg("metric %g, at least %g wanted; loss %g", trial.metric, least, trial.loss);
}

static void labels_are_learned(void **state)
{
	struct data d = open_data(*state, THAW_TASK_LABELS);
	struct thaw_train_options o = small_options();
	expect_metric(try_on_ranks(&o, &d), 0.9);
	o.loss = "focal:1";
	o.class_weights = "balanced";
	expect_metric(try_on_ranks(&o, &d), 0.9);
	close_data(&d);
}

static void grades_are_learned(void **state)
{
	struct data d = open_data(*state, THAW_TASK_GRADE);
	struct thaw_train_options o = small_options();
	expect_metric(try_on_ranks(&o, &d), 0.8);
	close_data(&d);
}

static void numbers_are_learned(void **state)
{
	struct data d = open_data(*state, THAW_TASK_VALUE);
	struct thaw_train_options o = small_options();
	o.lr = 0.02;
	expect_metric(try_on_ranks(&o, &d), 0.6);
	o.loss = "huber";
	expect_metric(try_on_ranks(&o, &d), 0.6);
	close_data(&d);
}

/* Weights of 1 change nothing; others do. */
static void weights_decide(void **state)
{
	struct data d = open_data(*state, THAW_TASK_CLASS);
	struct thaw_train_options o = small_options();
	o.epochs = 2;
	struct thaw_trial plain = try_on_ranks(&o, &d);
	o.class_weights = "1,1,1,1";
	struct thaw_trial same = try_on_ranks(&o, &d);
	assert_true(same.loss == plain.loss);
	o.class_weights = "1,1,8,1";
	assert_true(try_on_ranks(&o, &d).loss != plain.loss);
	o.class_weights = NULL;
	d.train.weights = thaw_alloc(TRAIN, sizeof(float));
	for (int i = 0; i < TRAIN; i++)
		d.train.weights[i] = i % LEVELS == 2 ? 8.0f : 1.0f;
	struct thaw_trial by_image = try_on_ranks(&o, &d);
	thaw_free(d.train.weights);
	d.train.weights = NULL;
	o.class_weights = "1,1,8,1";
	assert_true(try_on_ranks(&o, &d).loss == by_image.loss);
	close_data(&d);
}

static void balanced_sampling_trains(void **state)
{
	struct data d = open_data(*state, THAW_TASK_CLASS);
	struct thaw_train_options o = small_options();
	o.sampling = "balanced";
	expect_metric(try_on_ranks(&o, &d), 0.7);
	o.views = 0;
	o.epochs = 1;
	try_on_ranks(&o, &d);
	close_data(&d);
	d = open_data(*state, THAW_TASK_VALUE);
	struct job j = {.options = &o, .data = &d};
	ranks_run(1, run_rank, &j);
	assert_int_equal(j.status[0], THAW_CONFIG);
	assert_non_null(strstr(j.message, "--sampling balanced"));
	close_data(&d);
}

/* ---- Balanced orders ----------------------------------------------------------------------------------------------
 */

/* 420 images of which 1 in 20 is of class 1: both classes are visited alike, each image of class 1 about ten times, and
 * in 8 epochs most images of class 0. */
static void a_balanced_order_visits_classes_alike(void **state)
{
	enum { COUNT = 420, LANES = 3, CLASSES = 2, EPOCHS = 8 };
	int32_t labels[COUNT];
	int64_t class_images[CLASSES] = {0}, order[COUNT];
	int visits[COUNT] = {0}, rare = 0, missed = 0;
	uint32_t earlier[COUNT];
	(void)state;
	for (int i = 0; i < COUNT; i++)
		class_images[labels[i] = i % 20 == 5]++;
	const struct thaw_dataset d = {.count = COUNT, .classes = CLASSES, .labels = labels};
	for (uint64_t epoch = 0; epoch < EPOCHS; epoch++)
		for (int lane = 0; lane < LANES; lane++) {
			int64_t again[COUNT], n = thaw_lane_count(COUNT, LANES, lane);
			expect(thaw_lane_balanced_order(&d, class_images, LANES, lane, 7, epoch, order, earlier));
			expect(thaw_lane_balanced_order(&d, class_images, LANES, lane, 7, epoch, again, earlier));
			assert_memory_equal(order, again, (size_t)n * sizeof(*order));
			int before[COUNT];
			memcpy(before, visits, sizeof(before));
			for (int64_t k = 0; k < n; k++) {
				assert_int_equal(order[k] % LANES, lane);
				assert_int_equal(earlier[k], visits[order[k]] - before[order[k]]);
				visits[order[k]]++;
				rare += labels[order[k]];
			}
		}
	assert_in_range(rare, EPOCHS * COUNT / 2 - EPOCHS * LANES, EPOCHS * COUNT / 2 + EPOCHS * LANES);
	for (int i = 0; i < COUNT; i++) {
		if (labels[i])
			assert_in_range(visits[i], EPOCHS * 10, EPOCHS * 11);
		missed += visits[i] == 0;
	}
	assert_in_range(missed, 0, COUNT / 20);
}

/* ---- Files --------------------------------------------------------------------------------------------------------
 */

static char *two_names[] = {"left", "right"}, *four_names[] = {"none", "mild", "moderate", "severe"};

static struct thaw_model *load(const char *spec)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, spec, 0, 1));
	return m;
}

static void forward(const struct thaw_model *m, float *outputs)
{
	struct thaw_executor *e = NULL;
	const struct thaw_shape image = thaw_shape_of(1, 32, 32, 3);
	expect(thaw_executor_create(&e, m->graph, &image, THAW_WHOLE, false));
	float *x = thaw_executor_input(e);
	for (int i = 0; i < 32 * 32 * 3; i++)
		x[i] = (float)formula_uniform(5, i, -1.0, 1.0);
	memcpy(outputs, thaw_executor_forward(e, 1, NULL), (size_t)thaw_model_outputs(m) * sizeof(*outputs));
	thaw_executor_destroy(e);
}

/* A file has the outputs in the units of the data, and the network in memory does not change by saving. */
static void saved_numbers_are_in_units(void **state)
{
	const struct scratch *s = *state;
	const double mean[2] = {1000, -3}, deviation[2] = {50, 0.125};
	float learned[2], saved[2], again[2];
	bool replaced;
	struct thaw_model *m = load("builtin");
	expect(thaw_model_set_task(m, THAW_TASK_VALUE, 2, two_names, 1, &replaced));
	assert_true(replaced);
	expect(thaw_model_standardise(m, mean, deviation, false));
	forward(m, learned);
	expect(thaw_model_save_run(m, s->path));
	forward(m, again);
	assert_memory_equal(learned, again, sizeof(learned));
	thaw_model_destroy(m);

	m = load(scratch_file(s, "model.safetensors"));
	assert_int_equal(m->task, THAW_TASK_VALUE);
	forward(m, saved);
	for (int c = 0; c < 2; c++)
		assert_float_equal(saved[c], learned[c] * deviation[c] + mean[c], 1e-5 * fabs(mean[c]));
	const char *onnx = scratch_file(s, "m.onnx");
	expect(thaw_model_save_onnx(m, onnx, false));
	struct thaw_model *imported = load(onnx);
	assert_int_equal(imported->task, THAW_TASK_VALUE);
	forward(imported, again);
	for (int c = 0; c < 2; c++)
		assert_float_equal(again[c], saved[c], 1e-5 * fabs(mean[c]));
	thaw_model_destroy(imported);

	/* Training it further begins where it was. */
	expect(thaw_model_set_task(m, THAW_TASK_VALUE, 2, two_names, 1, &replaced));
	assert_false(replaced);
	expect(thaw_model_standardise(m, mean, deviation, true));
	forward(m, again);
	for (int c = 0; c < 2; c++)
		assert_float_equal(again[c], learned[c], 1e-4);
	thaw_model_to_units(m);
	forward(m, again);
	for (int c = 0; c < 2; c++)
		assert_float_equal(again[c], saved[c], 1e-5 * fabs(mean[c]));
	thaw_model_destroy(m);
}

static void labels_and_grades_are_saved(void **state)
{
	const struct scratch *s = *state;
	const char *const files[] = {"t.safetensors", "t.onnx"};
	const float thresholds[2] = {0.25f, 0.75f};
	bool replaced;
	for (int i = 0; i < 2; i++) {
		const char *path = scratch_file(s, files[i]);
		struct thaw_model *m = load("builtin");
		expect(thaw_model_set_task(m, THAW_TASK_LABELS, 2, two_names, 1, &replaced));
		expect(thaw_model_set_thresholds(m, thresholds));
		expect(i ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false));
		thaw_model_destroy(m);
		m = load(path);
		assert_int_equal(m->task, THAW_TASK_LABELS);
		assert_memory_equal(m->thresholds, thresholds, sizeof(thresholds));
		assert_non_null(m->sigmoid_from);
		assert_int_equal(thaw_model_check_task(m, THAW_TASK_LABELS, "D"), THAW_OK);
		assert_int_equal(thaw_model_check_task(m, THAW_TASK_CLASS, "D"), THAW_CONFIG);
		assert_non_null(strstr(thaw_error_message(), "several labels per image"));

		expect(thaw_model_set_task(m, THAW_TASK_GRADE, 4, four_names, 1, &replaced));
		assert_int_equal(thaw_model_outputs(m), 3);
		assert_null(m->thresholds);
		expect(i ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false));
		thaw_model_destroy(m);
		m = load(path);
		assert_int_equal(m->task, THAW_TASK_GRADE);
		assert_int_equal(m->classes, 4);
		assert_string_equal(m->labels[3], "severe");
		const float outputs[3] = {5.0f, 5.0f, -5.0f};
		float p[4];
		thaw_model_probabilities(m, outputs, 1, p);
		assert_float_equal(p[0] + p[1] + p[2] + p[3], 1.0, 1e-6);
		assert_int_equal(thaw_model_grade(m, outputs), 2);
		thaw_model_destroy(m);
	}
}

static void wrong_metadata_are_refused(void **state)
{
	static const char *const thresholds[] = {"",
						 "nonsense",
						 "{}",
						 "[0.5]",
						 "[0,0,0,0,0,0,0,0,0,2]",
						 "[0,0,0,0,0,0,0,0,0,\"1\"]",
						 "[0,0,0,0,0,0,0,0,0,-1]"};
	(void)state;
	struct thaw_model *m = load("builtin");
	assert_int_equal(m->classes, 10);
	assert_int_equal(thaw_model_read_task(m, "words", NULL, "FILE"), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "FILE"));
	for (size_t i = 0; i < sizeof(thresholds) / sizeof(*thresholds); i++) {
		assert_int_equal(thaw_model_read_task(m, "labels", thresholds[i], "FILE"), THAW_DATA);
		assert_non_null(strstr(thaw_error_message(), "thaw.thresholds: FILE"));
	}
	expect(thaw_model_read_task(m, "labels", "[0,0,0,0,0,0,0,0,0,1]", "FILE"));
	assert_true(m->thresholds[9] == 1.0f);
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(labels_are_learned, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(grades_are_learned, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(numbers_are_learned, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(weights_decide, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(balanced_sampling_trains, scratch_make, scratch_remove),
		cmocka_unit_test(a_balanced_order_visits_classes_alike),
		cmocka_unit_test_setup_teardown(saved_numbers_are_in_units, scratch_make, scratch_remove),
		cmocka_unit_test_setup_teardown(labels_and_grades_are_saved, scratch_make, scratch_remove),
		cmocka_unit_test(wrong_metadata_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
