/* thaw eval: exact metrics of a network over a dataset; each image counts once. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/failure.h"
#include "src/cli/log.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "thaw/train.h"

#define DEFAULT_LANES 8
#define EVAL          "Evaluation"

struct values {
	struct common common;
	const char *model, *data, *split, *from;
	int lanes, size, decode_threads;
	double test_share;
	long long seed;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = offsetof(struct values, model),
	 .section = EVAL, .required = true,
	 .help = "run directory, or any network that thaw train --model accepts"},
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, data),
	 .section = EVAL, .required = true,
	 .help = "dataset, as for thaw train"},
	{.name = "split", .metavar = "WHICH", .type = OPTION_TEXT, .offset = offsetof(struct values, split),
	 .section = EVAL, .choices = "train|test",
	 .help = "which images of the dataset to use"},
	FROM_OPTION(EVAL, offsetof(struct values, from)),
	SIZE_OPTION(EVAL, offsetof(struct values, size)),
	LANES_OPTION(EVAL, offsetof(struct values, lanes), DEFAULT_LANES_TEXT, "data slices whose results are summed"),
	TEST_SHARE_OPTION(EVAL, offsetof(struct values, test_share), "; use the value of the training"),
	SEED_OPTION(EVAL, offsetof(struct values, seed), "seed of that selection; use the value of the training"),
	DECODE_THREADS_OPTION(EVAL, offsetof(struct values, decode_threads)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	v->split = "test";
	v->test_share = train.test_share;
	v->seed = train.seed;
	v->decode_threads = train.decode_threads;
}

/* Outputs and classes are matched by number. Differing names are only logged, since they may be synonyms. */
static thaw_status check_classes(const struct session *session, const struct thaw_model *model,
				 const struct thaw_dataset *data, const struct values *v)
{
	if (model->classes != data->classes)
		return thaw_fail(THAW_CONFIG,
				 "the network has %lld classes and the dataset %d: %s: fine-tune the network on these "
				 "classes with thaw train first",
				 (long long)model->classes, data->classes, v->data);
	for (int c = 0; model->labels && c < data->classes; c++) {
		if (strcmp(model->labels[c], data->class_names[c]) != 0) {
			log_line(session->comm,
				 "note: class %d is \"%s\" in the network and \"%s\" in the data; classes are "
				 "matched by number",
				 c, model->labels[c], data->class_names[c]);
			break;
		}
	}
	return THAW_OK;
}

static thaw_status load(const struct session *session, const struct values *v, struct thaw_model **model,
			struct thaw_dataset *data)
{
	struct thaw_dataset_options dataset_options = {.test_share = v->test_share, .seed = (uint64_t)v->seed};
	enum thaw_split split = strcmp(v->split, "train") == 0 ? THAW_SPLIT_TRAIN : THAW_SPLIT_TEST;
	THAW_TRY(thaw_dataset_open(data, v->data, split, &dataset_options));
	THAW_TRY(network_load(session, model, v->model, v->from, data->classes, (uint64_t)v->seed));
	THAW_TRY(thaw_model_set_size(*model, v->size));
	return check_classes(session, *model, data, v);
}

static thaw_status run_eval(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_model *model = NULL;
	struct thaw_dataset data = {0};
	struct progress progress;
	json_t *metrics = NULL;
	int lanes = v->lanes ? v->lanes : max_int(session->comm->size, DEFAULT_LANES);
	thaw_status status;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	THAW_TRY_OUT(failure_agree(session->comm, load(session, v, &model, &data)));
	THAW_TRY_OUT(
		thaw_evaluate(session->comm, model, &data, lanes, v->size, v->decode_threads, &callbacks, &metrics));
	if (session->comm->rank == 0)
		*result = json_incref(metrics);
out:
	progress_end(&progress);
	json_decref(metrics);
	thaw_dataset_close(&data);
	thaw_model_destroy(model);
	return status;
}

const struct command command_eval = {
	.name = "eval",
	.usage = "--model M --data D [flags]",
	.summary = "measure a network on a dataset",
	.about = "Counts each image exactly once, for any number of ranks. Damaged images are skipped and counted.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.run = run_eval,
	.print = print_metrics,
};
