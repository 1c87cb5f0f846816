/* thaw predict: classifies images. Rank 0 does the work, one image at a time. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/failure.h"
#include "src/cli/heatmap.h"
#include "src/cli/image_list.h"
#include "src/cli/image_options.h"
#include "src/cli/log.h"
#include "src/cli/network.h"
#include "src/cli/predict_file.h"
#include "src/cli/prediction.h"
#include "src/cli/predictor.h"
#include "src/cli/result.h"
#include "src/cli/signals.h"
#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"

#define DEFAULT_TOP 5
#define TO_FILE     "Many images"

struct values {
	struct common common;
	const char *model, *weights_key, *from, *precision;
	int top, heatmap_classes;
	const char *size, *heatmap;
	struct thaw_preprocess_override images;
	bool fully_conv;
	struct predict_file file;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = offsetof(struct values, model),
	 .section = "Prediction", .required = true,
	 .help = "run directory, or any network that thaw train --model accepts"},
	WEIGHTS_KEY_OPTION("Prediction", offsetof(struct values, weights_key)),
	FROM_OPTION("Prediction", offsetof(struct values, from)),
	NATIVE_SIZE_OPTION("Prediction", offsetof(struct values, size)),
	FULLY_CONV_OPTION("Prediction", offsetof(struct values, fully_conv)),
	PREPROCESS_OPTIONS("Prediction", offsetof(struct values, images)),
	PRECISION_OPTION("Prediction", offsetof(struct values, precision), "that of the run, else fp32"),
	{.name = "top", .metavar = "K", .type = OPTION_INT, .offset = offsetof(struct values, top),
	 .section = "Prediction", .min = 1, .max = INFINITY,
	 .help = "number of classes to print, most probable first; of several labels per image, those above their "
		 "thresholds are printed"},
	{.name = "heatmap", .metavar = "DIR", .type = OPTION_TEXT, .offset = offsetof(struct values, heatmap),
	 .section = "Prediction", .absent = "none",
	 .help = "folder for pictures of where the network sees the most probable class, one PNG per image"},
	{.name = "heatmap-classes", .metavar = "N", .type = OPTION_INT,
	 .offset = offsetof(struct values, heatmap_classes), .section = "Prediction", .min = 1, .max = INFINITY,
	 .help = "number of classes that get such a picture, most probable first"},
	{.name = "out", .metavar = "FILE", .type = OPTION_TEXT, .offset = offsetof(struct values, file.out),
	 .section = TO_FILE, .absent = "predictions are printed",
	 .help = "write predictions to FILE.csv or FILE.jsonl, a line for each image; ranks share the images"},
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, file.data),
	 .section = TO_FILE, .absent = "none",
	 .help = "dataset, as for thaw train, such as tar shards; its labels are written, too"},
	MANIFEST_OPTIONS(TO_FILE, offsetof(struct values, file.manifest)),
	{.name = "split", .metavar = "WHICH", .type = OPTION_TEXT, .offset = offsetof(struct values, file.split),
	 .section = TO_FILE, .choices = "train|val|test|all",
	 .help = "which images of the dataset to use; all: those of a folder without splits"},
	{.name = "list", .metavar = "FILE", .type = OPTION_TEXT, .offset = offsetof(struct values, file.list),
	 .section = TO_FILE, .absent = "none", .help = "file with the path of an image on each line"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	v->top = DEFAULT_TOP;
	v->heatmap_classes = 1;
	v->file.split = "all";
}

static struct network_choice choose_network(const struct values *v)
{
	return (struct network_choice){v->model, v->from, v->weights_key, &v->images, v->size, v->fully_conv};
}

/* Adds "heatmaps": [path, ...] of the most probable classes, if they are wanted. */
static thaw_status draw_heatmaps(struct predictor *p, const struct thaw_encoded_image *image,
				 const struct thaw_preprocess *of, int classes, json_t *described)
{
	if (!p->heatmaps.directory)
		return THAW_OK;
	json_t *pictures = json_array();
	thaw_status status = heatmaps_write(&p->heatmaps, image, of, p->model, p->prediction.order,
					    min_int(classes, (int)p->model->classes), pictures);
	json_object_set_new(described, "heatmaps", pictures);
	return status;
}

/* *image: what the network says of one image file. */
static thaw_status classify(struct predictor *p, const char *path, const struct values *v, json_t **image)
{
	void *bytes;
	size_t size;
	struct thaw_encoded_image encoded;
	THAW_TRY(thaw_file_read(&bytes, &size, path, IMAGE_FILE_LIMIT));
	THAW_TRY(thaw_encoded_image_open(&encoded, bytes, size, path));
	const struct thaw_preprocess of = predictor_preprocess(p, &encoded);
	const float *outputs;
	thaw_status status = predictor_run(p, &encoded, &of, &outputs);
	if (status == THAW_OK)
		status = give_result(image, prediction_json(&p->prediction, path, outputs, v->top));
	if (status == THAW_OK)
		status = draw_heatmaps(p, &encoded, &of, v->heatmap_classes, *image);
	thaw_encoded_image_free(&encoded);
	return status;
}

/* Classifies every readable image. The others are reported, and determine the status. */
static thaw_status predict_all(struct predictor *p, const struct image_list *list, const struct values *v,
			       json_t *images, json_t *failed)
{
	thaw_status worst = THAW_OK;
	for (size_t i = 0; i < list->count; i++) {
		const char *path = list->paths[i];
		json_t *image = NULL;
		thaw_status status = thaw_stop_requested() ? THAW_UNFINISHED : classify(p, path, v, &image);
		if (status == THAW_OK) {
			json_array_append_new(images, image);
			continue;
		}
		json_decref(image);
		if (status == THAW_UNFINISHED)
			return thaw_fail(status,
					 "asked to stop: %zu of %zu images are done: run the same command again", i,
					 list->count);
		if ((status != THAW_DATA && status != THAW_IO) || p->heatmaps.unwritten)
			return status;
		print_error(thaw_error_message());
		json_array_append_new(failed, json_pack("{s:o, s:o}", "image", thaw_report_string(path), "reason",
							thaw_report_string(thaw_error_message())));
		worst = status > worst ? status : worst;
	}
	if (worst != THAW_OK)
		return thaw_fail(worst, "cannot use %zu of %zu images: listed above: replace them",
				 json_array_size(failed), list->count);
	return THAW_OK;
}

/* The images of the command line, before the network is loaded. */
static thaw_status list_images(const struct session *session, struct image_list *list)
{
	const struct settings *s = session->settings;
	THAW_TRY(image_list_fill(list, s->arguments, s->argument_count));
	image_list_log(list, session->comm);
	return THAW_OK;
}

/* Of other tasks than one class per image. */
static void add_task(json_t *result, const struct thaw_model *m)
{
	if (!result || m->task == THAW_TASK_CLASS)
		return;
	json_object_set_new(result, "task", json_string(thaw_task_name(m->task)));
	if (m->task != THAW_TASK_LABELS)
		json_object_del(result, "probabilities");
}

static thaw_status print_images(struct session *session, const struct values *v, json_t **result)
{
	const struct network_choice network = choose_network(v);
	struct predictor predictor = {0};
	struct image_list list = {0};
	json_t *images = json_array(), *failed = json_array();
	thaw_status status = images && failed ? list_images(session, &list) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = predictor_open(&predictor, session, &network, v->precision, v->heatmap);
	if (status == THAW_OK)
		thaw_signals_exit(NULL); /* from now on there is a result to print */
	if (status == THAW_OK) {
		const char *kind = predictor.model->sigmoid_from ? "sigmoid" : "softmax";
		status = predict_all(&predictor, &list, v, images, failed);
		thaw_status given = give_result(result, json_pack("{s:o, s:s, s:O, s:O, s:o}", "model",
								  thaw_report_string(v->model), "probabilities", kind,
								  "images", images, "failed", failed, "preprocess",
								  thaw_model_preprocess_json(predictor.model)));
		add_task(*result, predictor.model);
		status = given != THAW_OK ? given : status;
	}
	json_decref(images);
	json_decref(failed);
	image_list_release(&list);
	predictor_close(&predictor);
	return status;
}

static thaw_status check_flags(const struct session *session, const struct values *v)
{
	const bool arguments = session->settings->argument_count > 0;
	const char *data = thaw_dataset_place(v->file.data, &v->file.manifest);
	if (!v->file.out && (data || v->file.list))
		return thaw_fail(THAW_USAGE, "a dataset or a list without --out: %s: give a file for the predictions",
				 data ? data : v->file.list);
	if (v->file.out && v->heatmap)
		return thaw_fail(THAW_USAGE, "--heatmap with --out: use one of them");
	if (arguments + (data != NULL) + (v->file.list != NULL) == 1)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "%s: give IMAGE|FOLDER..., or with --out one of --data, --manifest and --list",
			 arguments || data || v->file.list ? "images from several places" : "no images");
}

/* Without --out rank 0 does the work. */
static thaw_status run_predict(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	const struct network_choice network = choose_network(v);
	THAW_TRY(check_flags(session, v));
	if (v->file.out)
		return predict_to_file(session, &v->file, &network, v->precision, v->top, result);
	return failure_of_first(session->comm, session->comm->rank == 0 ? print_images(session, v, result) : THAW_OK);
}

static void print_predict(const json_t *result, FILE *out)
{
	size_t i;
	json_t *image;
	if (json_object_get(result, "out"))
		print_predicted_file(result, out);
	json_array_foreach(json_object_get(result, "images"), i, image)
	{
		prediction_print(image, out);
	}
}

const struct command command_predict = {
	.name = "predict",
	.usage = "--model M IMAGE|FOLDER... [--top K] [--heatmap DIR] [--out FILE]",
	.summary = "classify images",
	.about = "Prints the most probable classes of each image, or what else the network learned: labels, a grade, "
		 "numbers; of a folder, those of all images in it and in its folders. "
		 "Files that cannot be used are reported on stderr; the others are still classified, and the exit code "
		 "is then 65 (damaged) or 74 (cannot be "
		 "read). With --out the images are shared by all ranks, the file does not depend on their number, and "
		 "the same command continues an interrupted start.",
	.max_arguments = INT_MAX,
	.argument = "IMAGE|FOLDER",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "thaw: asked to stop before the first image: run the same command again",
	.stops = "asked to stop: the images that are done are kept or printed",
	.run = run_predict,
	.print = print_predict,
};
