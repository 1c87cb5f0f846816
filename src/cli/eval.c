/* thaw eval: exact metrics of a network over a dataset; each image counts once. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/eval_data.h"
#include "src/cli/failure.h"
#include "src/cli/image_options.h"
#include "src/cli/log.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "thaw/embed.h"
#include "thaw/found.h"
#include "thaw/report.h"
#include "thaw/stage.h"
#include "thaw/train.h"

#define DEFAULT_LANES 8
#define EVAL          "Evaluation"

struct values {
	struct common common;
	const char *precision, *model, *weights_key, *from, *data, *split, *exclude, *stage, *stage_limit;
	const char *size;
	int lanes, decode_threads, knn;
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
	double test_share, max_damaged;
	long long seed;
	struct thaw_preprocess_override images;
	bool fully_conv;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = offsetof(struct values, model),
	 .section = EVAL, .required = true,
	 .help = "run directory, or any network that thaw train --model accepts"},
	WEIGHTS_KEY_OPTION(EVAL, offsetof(struct values, weights_key)),
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, data),
	 .section = EVAL, .required = true, .unless = "manifest",
	 .help = "dataset, as for thaw train; the flags of its manifest and of folds are by default those of the run"},
	MANIFEST_OPTIONS(EVAL, offsetof(struct values, manifest)),
	{.name = "split", .metavar = "WHICH", .type = OPTION_TEXT, .offset = offsetof(struct values, split),
	 .section = EVAL, .choices = "train|val|test|all",
	 .help = "which images of the dataset to use; all: those of a folder without splits"},
	EXCLUDE_OPTION(EVAL, offsetof(struct values, exclude), "; those that the run left out are left out in any case"),
	FROM_OPTION(EVAL, offsetof(struct values, from)),
	NATIVE_SIZE_OPTION(EVAL, offsetof(struct values, size)),
	FULLY_CONV_OPTION(EVAL, offsetof(struct values, fully_conv)),
	PREPROCESS_OPTIONS(EVAL, offsetof(struct values, images)),
	PRECISION_OPTION(EVAL, offsetof(struct values, precision), "that of the run, else fp32"),
	{.name = "knn", .metavar = "K", .type = OPTION_INT, .offset = offsetof(struct values, knn), .section = EVAL,
	 .min = 0, .max = 10000, .absent = "the network's classifier",
	 .help = "classify by the K training images of D with the most similar features; needs no classifier"},
	LANES_OPTION(EVAL, offsetof(struct values, lanes), DEFAULT_LANES_TEXT, "data slices whose results are summed"),
	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, .offset = offsetof(struct values, test_share),
	 .section = EVAL, .min = 0, .max = BELOW_ONE, .absent = "that of the run, else 0.2",
	 .help = "fraction of each class held out for testing if D has no test images"},
	PARTS_OPTIONS(EVAL, offsetof(struct values, parts)),
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, .offset = offsetof(struct values, seed), .section = EVAL,
	 .min = 0, .max = INFINITY, .absent = "that of the run, else 1",
	 .help = "seed of that selection"},
	{.name = "max-damaged", .metavar = "X", .type = OPTION_REAL, .offset = offsetof(struct values, max_damaged),
	 .section = EVAL, .min = 0, .max = 1, .absent = "a tenth, but at least 10 images",
	 .help = "fraction of the images that may be damaged, missing or unreadable; with more, eval fails"},
	DECODE_THREADS_OPTION(EVAL, offsetof(struct values, decode_threads)),
	STAGE_OPTION(EVAL, offsetof(struct values, stage)),
	STAGE_LIMIT_OPTION(EVAL, offsetof(struct values, stage_limit)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	v->split = "test";
	v->test_share = -1;
	v->max_damaged = train.max_damaged;
	v->seed = -1;
	v->decode_threads = train.decode_threads;
}

static struct network_choice choose_network(const struct values *v)
{
	return (struct network_choice){v->model, v->from, v->weights_key, &v->images, v->size, v->fully_conv};
}

static struct eval_choice choose_data(const struct values *v, const char *split)
{
	return (struct eval_choice){.model = v->model,
				    .data = v->data,
				    .split = split,
				    .exclude = v->exclude,
				    .test_share = v->test_share,
				    .seed = v->seed,
				    .manifest = v->manifest,
				    .parts = v->parts};
}

static thaw_status load(const struct session *session, const struct values *v, struct thaw_model **model,
			struct eval_data *data)
{
	const struct eval_choice choice = choose_data(v, v->split);
	const struct network_choice network = choose_network(v);
	THAW_TRY(eval_data_open(data, &choice));
	THAW_TRY(network_load(session, model, &network, data->dataset.classes, v->seed < 0 ? 1 : (uint64_t)v->seed));
	THAW_TRY(thaw_model_check_classifier(*model));
	return eval_data_match(data, *model, thaw_dataset_place(v->data, &v->manifest));
}

/* Says which images are measured. */
static void log_found(struct thaw_comm *comm, const struct values *v, const struct eval_data *data)
{
	eval_data_log(data, comm, thaw_dataset_place(v->data, &v->manifest));
	if (data->origin[0])
		log_line(comm, "note: %s", data->origin);
	if (data->classes[0])
		log_line(comm, "note: %s", data->classes);
}

static thaw_status give_metrics(json_t **result, json_t *metrics, const struct values *v, const struct eval_data *data,
				const struct thaw_model *model)
{
	const struct thaw_dataset *part = &data->dataset;
	json_object_set_new(metrics, "split", json_string(thaw_dataset_kind(part)));
	json_object_set_new(metrics, "images_from", thaw_report_string(part->found->from));
	json_object_set_new(metrics, "preprocess", thaw_model_preprocess_json(model));
	json_object_set_new(metrics, "found", thaw_found_json(thaw_dataset_place(v->data, &v->manifest), &part, 1));
	json_object_set_new(
		metrics, "notes",
		json_pack("[s*, s*]", data->origin[0] ? data->origin : NULL, data->classes[0] ? data->classes : NULL));
	return give_result(result, json_incref(metrics));
}

static thaw_status stage(struct thaw_comm *comm, const struct values *v, struct thaw_dataset *d, int lanes,
			 const struct thaw_callbacks *callbacks)
{
	return thaw_stage(comm, v->stage, v->stage_limit, &d, 1, lanes, callbacks);
}

/* The network, the images to classify with the class numbers of the training images, and these. */
static thaw_status load_knn(const struct session *session, const struct values *v, struct thaw_model **model,
			    struct eval_data *data, struct eval_data *reference)
{
	const struct eval_choice measured = choose_data(v, v->split), known = choose_data(v, "train");
	const struct network_choice network = choose_network(v);
	if (strcmp(v->split, "train") == 0 || strcmp(v->split, "all") == 0)
		return thaw_fail(THAW_USAGE,
				 "--knn with --split %s: each image would be its own neighbour: use val or test",
				 v->split);
	if (v->size && strcmp(v->size, "native") == 0)
		return thaw_fail(THAW_USAGE, "--knn with --size native: features are of one size: give a size");
	if (v->fully_conv || v->stage || v->lanes)
		return thaw_fail(THAW_USAGE, "--knn with --%s: this does nothing there: leave it out",
				 v->fully_conv ? "fully-conv"
				 : v->stage    ? "stage"
					       : "lanes");
	THAW_TRY(eval_data_open(reference, &known));
	THAW_TRY(eval_data_open(data, &measured));
	THAW_TRY(
		thaw_dataset_match_classes(&data->dataset, reference->dataset.class_names, reference->dataset.classes));
	return network_load(session, model, &network, 0, v->seed < 0 ? 1 : (uint64_t)v->seed);
}

static thaw_status run_knn(struct session *session, const struct values *v, json_t **result)
{
	const struct network_choice network = choose_network(v);
	const struct thaw_embed_options o = {NULL, v->decode_threads, v->max_damaged};
	struct thaw_model *model = NULL;
	struct eval_data data = {0}, reference = {0};
	struct progress progress;
	json_t *metrics = NULL;
	thaw_status status;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	THAW_TRY_OUT(failure_agree(session->comm, load_knn(session, v, &model, &data, &reference)));
	log_found(session->comm, v, &data);
	network_log(session, model, &network);
	THAW_TRY_OUT(network_set_precision(session, model, &network, v->precision));
	THAW_TRY_OUT(
		thaw_knn(session->comm, model, &reference.dataset, &data.dataset, v->knn, &o, &callbacks, &metrics));
	if (session->comm->rank == 0)
		status = give_metrics(result, metrics, v, &data, model);
out:
	progress_end(&progress);
	json_decref(metrics);
	thaw_dataset_close(&data.dataset);
	thaw_dataset_close(&reference.dataset);
	thaw_model_destroy(model);
	return status;
}

static thaw_status run_eval(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	if (v->knn > 0)
		return run_knn(session, v, result);
	struct thaw_model *model = NULL;
	struct eval_data data = {0};
	struct progress progress;
	json_t *metrics = NULL;
	int lanes = v->lanes ? v->lanes : max_int(session->comm->size, DEFAULT_LANES);
	thaw_status status;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	THAW_TRY_OUT(failure_agree(session->comm, load(session, v, &model, &data)));
	log_found(session->comm, v, &data);
	const struct network_choice network = choose_network(v);
	network_log(session, model, &network);
	network_log_sigmoid(session->comm, model);
	THAW_TRY_OUT(network_set_precision(session, model, &network, v->precision));
	if (v->stage)
		THAW_TRY_OUT(stage(session->comm, v, &data.dataset, lanes, &callbacks));
	THAW_TRY_OUT(thaw_evaluate(session->comm, model, &data.dataset, lanes, v->decode_threads, v->max_damaged,
				   &callbacks, &metrics));
	if (session->comm->rank == 0)
		status = give_metrics(result, metrics, v, &data, model);
out:
	progress_end(&progress);
	json_decref(metrics);
	thaw_dataset_close(&data.dataset);
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
	.ends = "thaw: asked to stop: thaw eval saves nothing: run the same command again",
	.run = run_eval,
	.print = print_metrics,
};
