/* Trials: the same result as a run with the same options; a learning rate that is too high, a given classifier, and a
 * request to stop. */
#include "tests/scratch.h"

#include <math.h>

#include "src/advise/activations.h"
#include "src/advise/probe.h"
#include "tests/unit/comm_threads.h"
#include "tests/unit/formula_weights.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/train.h"

/* What thaw_probe_evaluate says of the table. */
static double judged_accuracy(const struct thaw_probe *probe, const struct thaw_feature_table *t)
{
	double accuracy, loss;
	assert_int_equal(thaw_probe_evaluate(probe, t, &accuracy, &loss), THAW_OK);
	assert_true(loss >= 0.0);
	return accuracy;
}

enum { TRAIN = 60, TEST = 33, CLASSES = 3, SIDE = 12, PIXELS = SIDE * SIDE, RANKS = 4 };

/* ---- Data -------------------------------------------------------------------------------------------------------- */

/* Stripes, whose direction is the class, and noise. */
static void put_split(const struct scratch *s, const char *images_name, const char *labels_name, int count,
		      uint64_t seed)
{
	uint8_t images[16 + TRAIN * PIXELS] = {0, 0, 8, 3, 0, 0, 0, (uint8_t)count, 0, 0, 0, SIDE, 0, 0, 0, SIDE};
	uint8_t labels[8 + TRAIN] = {0, 0, 8, 1, 0, 0, 0, (uint8_t)count};
	for (int i = 0; i < count; i++) {
		labels[8 + i] = (uint8_t)(i % CLASSES);
		for (int k = 0; k < PIXELS; k++) {
			int x = k % SIDE, y = k / SIDE, along[CLASSES] = {x, y, x + y};
			double stripe = (along[i % CLASSES] + i / CLASSES) / 2 % 2;
			double noise = formula_uniform(seed, (int64_t)i * PIXELS + k, 0.0, 1.0);
			images[16 + i * PIXELS + k] = (uint8_t)(255.0 * (0.25 * stripe + 0.75 * noise));
		}
	}
	scratch_put(scratch_file(s, images_name), images, 16 + (size_t)count * PIXELS);
	scratch_put(scratch_file(s, labels_name), labels, 8 + (size_t)count);
}

/* Both splits of a dataset that this test wrote. */
struct data {
	struct thaw_dataset train, test;
};

static struct data open_data(const struct scratch *s)
{
	struct thaw_dataset_options options = {.seed = 1};
	struct data d;
	put_split(s, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", TRAIN, 1);
	put_split(s, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", TEST, 2);
	if (thaw_dataset_open(&d.train, s->path, THAW_SPLIT_TRAIN, &options) != THAW_OK ||
	    thaw_dataset_open(&d.test, s->path, THAW_SPLIT_TEST, &options) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return d;
}

static void close_data(struct data *d)
{
	thaw_dataset_close(&d->train);
	thaw_dataset_close(&d->test);
}

static struct thaw_train_options options_of(const char *unfreeze)
{
	struct thaw_train_options o;
	thaw_train_defaults(&o);
	o.model = "builtin";
	o.unfreeze = unfreeze;
	o.optimizer = "sgd";
	o.epochs = 2;
	o.head_epochs = 1;
	o.lanes = 4;
	o.batch = 16;
	o.lr = 0.02;
	o.seed = 5;
	o.decode_threads = 1;
	return o;
}

/* ---- Trials on ranks --------------------------------------------------------------------------------------------- */

struct job {
	const struct thaw_train_options *options;
	const struct thaw_dataset *train, *test;
	const struct thaw_classifier *classifier;
	const struct thaw_callbacks *callbacks; /* of the last rank */
	struct thaw_trial trial[RANKS];
	thaw_status status[RANKS];
	char message[256]; /* the last rank's */
};

static void run_rank(struct thaw_comm *comm, void *argument)
{
	struct job *j = argument;
	bool last = comm->rank == comm->size - 1;
	j->status[comm->rank] = thaw_train_trial(comm, j->options, j->train, j->test, j->classifier,
						 last ? j->callbacks : NULL, &j->trial[comm->rank]);
	if (last)
		snprintf(j->message, sizeof(j->message), "%s", thaw_error_message());
}

/* Runs the job; status and trial must be the same on all ranks. */
static struct thaw_trial try_on(int ranks, struct job *j, thaw_status status)
{
	ranks_run(ranks, run_rank, j);
	for (int r = 0; r < ranks; r++) {
		if (j->status[r] != status)
			fail_msg("rank %d of %d: %d: %s", r, ranks, j->status[r], j->message);
		if (status == THAW_OK)
			assert_memory_equal(&j->trial[r], &j->trial[0], sizeof(j->trial[0]));
	}
	return j->trial[0];
}

static struct thaw_trial try_alone(const struct thaw_train_options *o, const struct data *d,
				   const struct thaw_classifier *classifier)
{
	struct job j = {.options = o, .train = &d->train, .test = &d->test, .classifier = classifier};
	return try_on(1, &j, THAW_OK);
}

/* ---- Same as a run ----------------------------------------------------------------------------------------------- */

static double number(const json_t *summary, const char *key)
{
	return json_number_value(json_object_get(summary, key));
}

static void a_trial_equals_a_run(void **state)
{
	static const char *const depths[] = {"head", "last:1", "all"};
	const struct scratch *s = *state;
	struct data d = open_data(s);
	struct thaw_comm alone = thaw_comm_alone();
	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++) {
		struct thaw_train_options o = options_of(depths[i]);
		o.bn = i == 2 ? THAW_BN_LANE : THAW_BN_AUTO;
		o.views = i == 0 ? 1 : o.views;
		struct thaw_trial trial = try_alone(&o, &d, NULL);
		json_t *summary;
		char out[SCRATCH_PATH + 16];
		snprintf(out, sizeof(out), "%s/run-%zu", s->path, i);
		o.data = s->path;
		o.out = out;
		if (thaw_train(&alone, &o, NULL, &summary) != THAW_OK)
			fail_msg("%s", thaw_error_message());
		assert_false(trial.diverged);
		assert_int_equal(trial.images, TEST);
		assert_true(trial.steps == (int64_t)number(summary, "steps") && trial.steps == 3 * 4);
		assert_true(trial.top1 == number(summary, "top1"));
		assert_true(trial.loss == number(summary, "loss"));
		assert_true(trial.train_seconds > 0.0 && trial.bytes > 0);
		json_decref(summary);
	}
	close_data(&d);
}

static void any_number_of_ranks_gives_the_same_result(void **state)
{
	struct data d = open_data(*state);
	struct thaw_train_options o = options_of("last:1");
	struct job j = {.options = &o, .train = &d.train, .test = &d.test};
	struct thaw_trial one = try_on(1, &j, THAW_OK);
	for (int ranks = 2; ranks <= RANKS; ranks++) {
		struct thaw_trial more = try_on(ranks, &j, THAW_OK);
		assert_true(more.top1 == one.top1 && more.loss == one.loss);
		assert_true(more.images == one.images && more.steps == one.steps);
	}
	close_data(&d);
}

/* The datasets stay open and usable, for another trial too; `data` and `out` are ignored and nothing is written. */
static void a_trial_writes_nothing(void **state)
{
	const struct scratch *s = *state;
	struct data d = open_data(s);
	struct thaw_train_options o = options_of("head");
	struct thaw_encoded_image encoded;
	int before = scratch_count(s);
	char here[SCRATCH_PATH];
	o.data = scratch_file(s, "no such folder");
	o.out = scratch_file(s, "run");
	o.checkpoint_steps = 1;
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(chdir(s->path), 0);
	struct thaw_trial first = try_alone(&o, &d, NULL), again = try_alone(&o, &d, NULL);
	assert_int_equal(chdir(here), 0);
	assert_true(first.top1 == again.top1 && first.loss == again.loss);
	assert_int_equal(scratch_count(s), before);
	assert_int_equal(d.test.count, TEST);
	assert_int_equal(d.train.read(&d.train, TRAIN - 1, &encoded), THAW_OK);
	thaw_encoded_image_free(&encoded);
	close_data(&d);
}

/* Subsets of a dataset, as thaw_advise uses them. */
static void subsets_can_be_trained_on(void **state)
{
	struct data d = open_data(*state), part;
	struct thaw_train_options o = options_of("head");
	int64_t samples[TRAIN];
	for (int64_t i = 0; i < TRAIN; i++)
		samples[i] = i;
	assert_int_equal(thaw_dataset_subset(&part.train, &d.train, samples, TRAIN), THAW_OK);
	assert_int_equal(thaw_dataset_subset(&part.test, &d.test, samples, TEST), THAW_OK);
	struct thaw_trial whole = try_alone(&o, &d, NULL), same = try_alone(&o, &part, NULL);
	assert_true(whole.top1 == same.top1 && whole.loss == same.loss);
	close_data(&part);
	assert_int_equal(thaw_dataset_subset(&part.train, &d.train, samples, TRAIN / 2), THAW_OK);
	assert_int_equal(thaw_dataset_subset(&part.test, &d.train, samples + TRAIN / 2, TRAIN / 2), THAW_OK);
	struct thaw_trial half = try_alone(&o, &part, NULL);
	assert_int_equal(half.images, TRAIN / 2);
	assert_int_equal(half.steps, 3 * 2);
	close_data(&part);
	close_data(&d);
}

/* ---- Failures and special cases ---------------------------------------------------------------------------------- */

static void a_diverged_trial_is_not_a_failure(void **state)
{
	struct data d = open_data(*state);
	static const double rates[] = {1e4, 1e12, 1e30};
	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++)
		for (int ranks = 1; ranks <= RANKS; ranks += 3) {
			struct thaw_train_options o = options_of("all");
			struct job j = {.options = &o, .train = &d.train, .test = &d.test};
			o.lr = o.head_lr = rates[i];
			o.warmup = 0.0;
			struct thaw_trial t = try_on(ranks, &j, THAW_OK);
			assert_true(i == 0 || t.diverged);
			assert_true(!t.diverged || (t.top1 == 0.0 && t.loss == 0.0 && t.images == 0));
		}
	close_data(&d);
}

/* A linear probe of all training images; *test receives the features of the test images. */
static struct thaw_probe probe_of(const struct data *d, struct thaw_activations *test)
{
	struct thaw_comm alone = thaw_comm_alone();
	struct thaw_model *m;
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_activations t;
	struct thaw_probe probe;
	int cuts;
	assert_int_equal(thaw_model_load(&m, "builtin", 0, 1), THAW_OK);
	assert_int_equal(thaw_cuts_choose(m->graph, m->preprocess.size, cut, &cuts), THAW_OK);
	assert_int_equal(thaw_activations_collect(&t, &alone, m, cut, cuts, &d->train, 4, 1, NULL), THAW_OK);
	assert_int_equal(thaw_activations_collect(test, &alone, m, cut, cuts, &d->test, 4, 1, NULL), THAW_OK);
	struct thaw_feature_table table = {t.count, t.width[0], t.features[0], t.labels, CLASSES};
	assert_int_equal(thaw_probe_fit(&probe, &table), THAW_OK);
	thaw_activations_release(&t);
	thaw_model_destroy(m);
	return probe;
}

/* Mean cross-entropy of the probe's logits. */
static double loss_of(const struct thaw_probe *p, const struct thaw_activations *t)
{
	double loss = 0.0;
	for (int64_t i = 0; i < t->count; i++) {
		double logit[CLASSES], sum = 0.0;
		for (int c = 0; c < CLASSES; c++) {
			logit[c] = p->bias[c];
			for (int64_t j = 0; j < p->width; j++)
				logit[c] +=
					(double)p->weight[c * p->width + j] * (double)t->features[0][i * p->width + j];
			sum += exp(logit[c]);
		}
		loss += (log(sum) - logit[t->labels[i]]) / (double)t->count;
	}
	return loss;
}

/* With a tiny learning rate the network keeps the given classifier. */
static void training_starts_from_the_given_classifier(void **state)
{
	static const char *const depths[] = {"head", "all"};
	struct data d = open_data(*state);
	struct thaw_activations activations;
	struct thaw_probe probe = probe_of(&d, &activations);
	struct thaw_feature_table table = {activations.count, activations.width[0], activations.features[0],
					   activations.labels, CLASSES};
	struct thaw_classifier classifier = {probe.width, probe.weight, probe.bias};
	for (size_t i = 0; i < sizeof(depths) / sizeof(*depths); i++)
		for (int head_epochs = 0; head_epochs < 2; head_epochs++) {
			struct thaw_train_options o = options_of(depths[i]);
			o.epochs = 1;
			o.head_epochs = head_epochs;
			o.lr = o.head_lr = 1e-12;
			struct thaw_trial t = try_alone(&o, &d, &classifier);
			assert_true(fabs(t.top1 - judged_accuracy(&probe, &table)) < 1e-12);
			assert_true(fabs(t.loss - loss_of(&probe, &activations)) < 1e-4);
			assert_true(fabs(t.loss - try_alone(&o, &d, NULL).loss) > 1e-3);
		}
	struct thaw_train_options o = options_of("head");
	struct job j = {.options = &o, .train = &d.train, .test = &d.test, .classifier = &classifier};
	classifier.width--;
	try_on(2, &j, THAW_SOFTWARE);
	assert_non_null(strstr(j.message, "which is not the network"));
	thaw_probe_release(&probe);
	thaw_activations_release(&activations);
	close_data(&d);
}

/* Returns true from the nth call on. */
static bool stop_after(void *context)
{
	return --*(int *)context <= 0;
}

static void a_stopped_trial_has_no_result(void **state)
{
	struct data d = open_data(*state);
	struct thaw_train_options o = options_of("last:1");
	for (int ranks = 1; ranks <= RANKS; ranks += 3)
		for (int after = 1; after < 12; after += 5) {
			int left = after;
			struct thaw_callbacks callbacks = {.context = &left, .stop = stop_after};
			struct job j = {.options = &o, .train = &d.train, .test = &d.test, .callbacks = &callbacks};
			j.trial[0].steps = 77;
			assert_int_equal(try_on(ranks, &j, THAW_UNFINISHED).steps, 77);
		}
	close_data(&d);
}

/* A run on several ranks, of which one is asked to stop from its nth poll on; n is 0: none. */
struct stopped_run {
	struct thaw_train_options options;
	int victim, polls;
	thaw_status status[RANKS];
};

static void train_rank(struct thaw_comm *comm, void *argument)
{
	struct stopped_run *run = argument;
	int left = run->polls;
	struct thaw_callbacks callbacks = {.context = &left,
					   .stop = left > 0 && comm->rank == run->victim ? stop_after : NULL};
	json_t *summary = NULL;
	run->status[comm->rank] = thaw_train(comm, &run->options, &callbacks, &summary);
	json_decref(summary);
}

/* Trains in the folder `out` on so many ranks until one is stopped, then to the end on one. *bytes: the weights. */
static void train_stopped(const struct scratch *s, const char *out, int ranks, int n, void **bytes, size_t *size)
{
	struct stopped_run run = {.options = options_of("all"), .victim = ranks - 1, .polls = n};
	char path[600];
	run.options.head_epochs = 0;
	run.options.epochs = 1;
	run.options.data = s->path;
	run.options.out = out;
	if (n > 0) {
		ranks_run(ranks, train_rank, &run);
		/* The number of polls depends on the loader's threads: a run may end before the last of them. */
		assert_true(run.status[0] == THAW_UNFINISHED || run.status[0] == THAW_OK);
		for (int r = 0; r < ranks; r++)
			assert_int_equal(run.status[r], run.status[0]);
	}
	run.polls = 0;
	ranks_run(1, train_rank, &run);
	assert_int_equal(run.status[0], THAW_OK);
	snprintf(path, sizeof(path), "%s/model.safetensors", out);
	assert_int_equal(thaw_file_read(bytes, size, path, SIZE_MAX), THAW_OK);
}

/* A stop within a step, also on one of several ranks after the others have updated weights, leaves the step undone on
 * all of them: the run ends with the same bits. */
static void a_stop_within_a_step_leaves_it_undone(void **state)
{
	static const int polls[] = {3, 40, 80, 100, 130, 170};
	const struct scratch *s = *state;
	struct data d = open_data(s);
	void *whole, *stopped;
	size_t whole_size, stopped_size;
	train_stopped(s, scratch_file(s, "whole"), 1, 0, &whole, &whole_size);
	for (int ranks = 1; ranks <= RANKS; ranks += 3)
		for (size_t i = 0; i < sizeof(polls) / sizeof(polls[0]); i++) {
			char name[32];
			snprintf(name, sizeof(name), "stopped-%d-%d", ranks, polls[i]);
			train_stopped(s, scratch_file(s, name), ranks, polls[i], &stopped, &stopped_size);
			assert_int_equal(stopped_size, whole_size);
			assert_memory_equal(stopped, whole, whole_size);
			thaw_free(stopped);
		}
	thaw_free(whole);
	close_data(&d);
}

struct evaluation {
	const struct thaw_model *model;
	const struct thaw_dataset *data;
	int polls; /* after which the last rank is asked to stop */
	thaw_status status[RANKS];
};

static void evaluate_rank(struct thaw_comm *comm, void *argument)
{
	struct evaluation *e = argument;
	int left = e->polls;
	struct thaw_callbacks callbacks = {.context = &left, .stop = comm->rank == comm->size - 1 ? stop_after : NULL};
	json_t *result = NULL;
	e->status[comm->rank] =
		thaw_evaluate(comm, e->model, e->data, RANKS, 1, -1.0, left > 0 ? &callbacks : NULL, &result);
	json_decref(result);
}

/* Each rank has one batch: a stop is answered between its operators, by all ranks. */
static void an_evaluation_stops_within_a_batch(void **state)
{
	struct data d = open_data(*state);
	struct thaw_model *model;
	assert_int_equal(thaw_model_load(&model, "cifar_resnet8", CLASSES, 1), THAW_OK);
	for (int ranks = 1; ranks <= RANKS; ranks += 3)
		for (int polls = 0; polls <= 6; polls += 2) {
			struct evaluation e = {.model = model, .data = &d.test, .polls = polls};
			ranks_run(ranks, evaluate_rank, &e);
			for (int r = 0; r < ranks; r++)
				assert_int_equal(e.status[r], polls > 0 ? THAW_UNFINISHED : THAW_OK);
		}
	thaw_model_destroy(model);
	close_data(&d);
}

static void invalid_options_are_refused(void **state)
{
	struct data d = open_data(*state);
	struct thaw_train_options o = options_of("none");
	struct job j = {.options = &o, .train = &d.train, .test = &d.test};
	try_on(2, &j, THAW_USAGE);
	o = options_of("head");
	o.lanes = 1;
	try_on(2, &j, THAW_CONFIG);
	close_data(&d);
}

int main(void)
{
#define IN_SCRATCH(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		IN_SCRATCH(a_trial_equals_a_run),
		IN_SCRATCH(any_number_of_ranks_gives_the_same_result),
		IN_SCRATCH(a_trial_writes_nothing),
		IN_SCRATCH(subsets_can_be_trained_on),
		IN_SCRATCH(a_diverged_trial_is_not_a_failure),
		IN_SCRATCH(training_starts_from_the_given_classifier),
		IN_SCRATCH(a_stopped_trial_has_no_result),
		IN_SCRATCH(invalid_options_are_refused),
		IN_SCRATCH(a_stop_within_a_step_leaves_it_undone),
		IN_SCRATCH(an_evaluation_stops_within_a_batch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
