/* thaw predict: what a network sees in images. Rank 0 does the work; one image at a time needs no others. */
#include <limits.h>
#include <stdlib.h>

#include "src/cli/command.h"
#include "src/cli/text.h"
#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/model.h"
#include "thaw/report.h"

#define DEFAULT_TOP  5
#define LARGEST_FILE ((size_t)1 << 30) /* bytes of an encoded image */

struct values {
	struct common common;
	const char *model;
	int top;
};

/* A line for what an option is, a line for what it says. */
/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = offsetof(struct values, model),
	 .section = "Prediction", .required = true,
	 .help = "a run directory, or whatever thaw train takes as its model"},
	{.name = "top", .metavar = "K", .type = OPTION_INT, .offset = offsetof(struct values, top),
	 .section = "Prediction", .min = 1, .max = INFINITY,
	 .help = "how many classes to tell, most probable first"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	((struct values *)values)->top = DEFAULT_TOP;
}

/* A network ready to look at one image. */
struct eye {
	struct thaw_model *model;
	struct thaw_graph *graph; /* the model's, with batch norms folded and operators fused */
	struct thaw_executor *executor;
	float *probability; /* [classes] */
	int *order;         /* [classes], classes by falling probability */
};

static thaw_status open_eye(struct eye *e, const char *model)
{
	THAW_TRY(thaw_model_load(&e->model, model, 0, 0));
	THAW_TRY(thaw_graph_lower(&e->graph, e->model->graph));
	const int size = e->model->preprocess.size;
	const struct thaw_shape image = thaw_shape_of(1, size, size, 3);
	THAW_TRY(thaw_executor_create(&e->executor, e->graph, &image, THAW_WHOLE, false));
	THAW_TRY(thaw_executor_pack(e->executor, NULL, true));
	e->probability = thaw_alloc((size_t)e->model->classes, sizeof(*e->probability));
	e->order = thaw_alloc((size_t)e->model->classes, sizeof(*e->order));
	return e->probability && e->order ? THAW_OK : THAW_RESOURCE;
}

static void close_eye(struct eye *e)
{
	thaw_free(e->order);
	thaw_free(e->probability);
	thaw_executor_destroy(e->executor);
	thaw_graph_destroy(e->graph);
	thaw_model_destroy(e->model);
}

/* Fills probability from one file. */
static thaw_status look(struct eye *e, const char *path)
{
	void *bytes;
	size_t size;
	struct thaw_encoded_image encoded;
	THAW_TRY(thaw_file_read(&bytes, &size, path, LARGEST_FILE));
	THAW_TRY(thaw_encoded_image_open(&encoded, bytes, size, path));
	thaw_status status = thaw_transform_eval(&encoded, &e->model->preprocess, thaw_executor_input(e->executor));
	thaw_encoded_image_free(&encoded);
	if (status == THAW_OK)
		thaw_softmax(thaw_executor_forward(e->executor, 1, NULL), 1, e->model->classes, e->probability);
	return status;
}

static int by_falling_probability(const void *a, const void *b, void *context)
{
	const float *p = context;
	int x = *(const int *)a, y = *(const int *)b;
	return p[x] != p[y] ? (p[x] < p[y]) - (p[x] > p[y]) : (x > y) - (x < y);
}

/* {"image": path, "predictions": [{"class", "label", "probability"}, ...]} */
static json_t *describe(struct eye *e, const char *path, int top)
{
	int classes = (int)e->model->classes;
	json_t *list = json_array();
	for (int c = 0; c < classes; c++)
		e->order[c] = c;
	qsort_r(e->order, (size_t)classes, sizeof(*e->order), by_falling_probability, e->probability);
	for (int k = 0; k < top && k < classes; k++) {
		int c = e->order[k];
		json_t *one = json_pack("{s:i, s:f}", "class", c, "probability", (double)e->probability[c]);
		if (e->model->labels)
			json_object_set_new(one, "label", thaw_report_string(e->model->labels[c]));
		json_array_append_new(list, one);
	}
	return json_pack("{s:o, s:o}", "image", thaw_report_string(path), "predictions", list);
}

/* Every image that can be read is predicted; the others are named, and decide the status. */
static thaw_status predict_all(const struct session *session, struct eye *e, int top, json_t *images, json_t *failed)
{
	const struct settings *s = session->settings;
	thaw_status worst = THAW_OK;
	for (int i = 0; i < s->argument_count; i++) {
		thaw_status status = look(e, s->arguments[i]);
		if (status == THAW_OK) {
			json_array_append_new(images, describe(e, s->arguments[i], top));
			continue;
		}
		if (status != THAW_DATA && status != THAW_IO)
			return status;
		print_error(thaw_error_message());
		json_array_append_new(failed, json_pack("{s:o, s:o}", "image", thaw_report_string(s->arguments[i]),
							"reason", thaw_report_string(thaw_error_message())));
		worst = status > worst ? status : worst;
	}
	if (worst != THAW_OK)
		return thaw_fail(worst, "%zu of %d images could not be used: named above: replace them",
				 json_array_size(failed), s->argument_count);
	return THAW_OK;
}

static thaw_status run(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct eye eye = {0};
	json_t *images = json_array(), *failed = json_array();
	thaw_status status = images && failed ? open_eye(&eye, v->model) : THAW_RESOURCE;
	if (status == THAW_OK) {
		status = predict_all(session, &eye, v->top, images, failed);
		thaw_status given =
			give_result(result, json_pack("{s:o, s:O, s:O}", "model", thaw_report_string(v->model),
						      "images", images, "failed", failed));
		status = given != THAW_OK ? given : status;
	}
	json_decref(images);
	json_decref(failed);
	close_eye(&eye);
	return status;
}

static void print(const json_t *result, FILE *out)
{
	size_t i, k;
	json_t *image, *p;
	json_array_foreach(json_object_get(result, "images"), i, image)
	{
		fprintf(out, "%s\n", member_text(image, "image"));
		json_array_foreach(json_object_get(image, "predictions"), k, p)
		{
			fprintf(out, "  %6.2f %%  ", 100 * member_real(p, "probability"));
			if (json_object_get(p, "label"))
				fprintf(out, "%s\n", member_text(p, "label"));
			else
				fprintf(out, "class %.0f\n", member_real(p, "class"));
		}
	}
}

const struct command command_predict = {
	.name = "predict",
	.usage = "--model M IMAGE... [--top K]",
	.summary = "classify images",
	.about = "Prints the most probable classes of each JPEG or PNG file. A file that cannot be used is named on "
		 "stderr, "
		 "the others go on, and the exit code at the end is 65 (damaged) or 74 (not readable).",
	.min_arguments = 1,
	.max_arguments = INT_MAX,
	.argument = "IMAGE",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.alone = true,
	.run = run,
	.print = print,
};
