/* The model card of a run's network: README.md of a directory of the Hub, in Markdown. */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/model/model_internal.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/run_result.h"
#include "thaw/train.h"
#include "thaw/version.h"

#define Z95 1.959963984540054 /* quantile of the normal distribution for 95 % */

/* A file in memory. */
struct card {
	FILE *out;
	const json_t *config, *result; /* of the run; NULL: none */
};

static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* Wilson's interval of a share of n images. */
static void wilson(double share, double n, double *from, double *to)
{
	const double z2 = Z95 * Z95, centre = (share + z2 / (2 * n)) / (1 + z2 / n);
	const double half = Z95 / (1 + z2 / n) * sqrt(share * (1 - share) / n + z2 / (4 * n * n));
	*from = fmax(0, centre - half);
	*to = fmin(1, centre + half);
}

static void write_share(const struct card *c, const json_t *metrics, const char *key, const char *name)
{
	const json_t *value = json_object_get(metrics, key);
	double from, to, share = json_number_value(value), n = json_number_value(json_object_get(metrics, "images"));
	if (!json_is_number(value) || n < 1)
		return;
	wilson(share, n, &from, &to);
	fprintf(c->out, "| %s | %.2f %% | %.2f to %.2f %% |\n", name, 100 * share, 100 * from, 100 * to);
}

static void write_number(const struct card *c, const json_t *metrics, const char *key, const char *name)
{
	const json_t *value = json_object_get(metrics, key);
	if (json_is_number(value))
		fprintf(c->out, "| %s | %.5g | |\n", name, json_number_value(value));
}

static void write_metrics(const struct card *c, const json_t *metrics, const char *split)
{
	static const char *const shares[][2] = {
		{"top1", "top-1 accuracy"}, {"top5", "top-5 accuracy"}, {"accuracy", "accuracy"}};
	static const char *const numbers[][2] = {{"balanced_accuracy", "balanced accuracy"},
						 {"macro_f1", "macro F1"},
						 {"map", "mean average precision"},
						 {"kappa", "kappa"},
						 {"mae", "mean absolute error"},
						 {"r2", "R2"},
						 {"loss", "loss"}};
	if (!json_object_get(metrics, "images"))
		return;
	fprintf(c->out, "\n%.0f images (%s):\n\n| metric | value | 95 %% interval (Wilson) |\n|---|---|---|\n",
		json_number_value(json_object_get(metrics, "images")), split);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++)
		write_share(c, metrics, shares[i][0], shares[i][1]);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		write_number(c, metrics, numbers[i][0], numbers[i][1]);
}

static void write_accuracy(const struct card *c)
{
	const json_t *validation = json_object_get(c->result, "validation");
	if (!c->result)
		return;
	fprintf(c->out, "\n## Accuracy\n");
	write_metrics(c, validation, "validation");
	write_metrics(c, c->result, text_at(c->result, "split"));
}

static void write_data(const struct card *c)
{
	static const char *const splits[] = {"training", "validation", "test"};
	json_t *found = json_object_get(c->result, "found");
	if (!found)
		return;
	fprintf(c->out, "\n## Data\n\nFolder %s, %.0f classes or outputs.\n\n", text_at(found, "folder"),
		json_number_value(json_object_get(found, "classes")));
	for (size_t i = 0; i < sizeof(splits) / sizeof(*splits); i++) {
		const json_t *split = json_object_get(found, splits[i]);
		if (split)
			fprintf(c->out, "- %s: %.0f images, %s\n", splits[i],
				json_number_value(json_object_get(split, "used")), text_at(split, "from"));
	}
}

/* Settings, one per line; nested ones are described elsewhere. */
static void write_recipe(const struct card *c)
{
	const char *key;
	json_t *value;
	if (!c->config)
		return;
	fprintf(c->out, "\n## Recipe\n\nThe settings of `thaw train` (%s):\n\n| setting | value |\n|---|---|\n",
		text_at(c->config, "build"));
	json_object_foreach((json_t *)c->config, key, value)
	{
		if (json_is_object(value) || json_is_array(value) || json_is_null(value) ||
		    strcmp(key, "checksum") == 0 || strcmp(key, "build") == 0)
			continue;
		char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
		fprintf(c->out, "| %s | %s |\n", key, text ? text : "");
		free(text);
	}
}

static void write_digests(const struct card *c, const struct thaw_model *m)
{
	fprintf(c->out,
		"\n## Digests\n\nXXH64, as thaw prints them: they detect damage, not forgery.\n\n- weights: %016" PRIx64
		"\n",
		thaw_model_weights_digest(m->graph));
	if (c->config)
		fprintf(c->out, "- network at the start: %s\n- list of training images: %s\n",
			text_at(c->config, "network"), text_at(c->config, "data"));
	if (json_object_get(c->result, "images_digest"))
		fprintf(c->out, "- bytes of the training images: %s\n", text_at(c->result, "images_digest"));
}

static void write_use(const struct card *c, bool timm)
{
	if (timm)
		fprintf(c->out,
			"```python\nimport timm\nmodel = timm.create_model(\"local-dir:DIR\", pretrained=True).eval()\n"
			"transform = "
			"timm.data.create_transform(**timm.data.resolve_data_config(model.pretrained_cfg))\n"
			"logits = model(transform(image).unsqueeze(0))\n```\n");
	else
		fprintf(c->out,
			"```python\nfrom transformers import AutoImageProcessor, AutoModelForImageClassification\n"
			"model = AutoModelForImageClassification.from_pretrained(\"DIR\").eval()\n"
			"processor = AutoImageProcessor.from_pretrained(\"DIR\")\n"
			"logits = model(**processor(image, return_tensors=\"pt\")).logits\n```\n");
}

static void write_card(const struct card *c, const struct thaw_model *m, const char *library, bool as_trained)
{
	char line[THAW_PREPROCESS_TEXT];
	fprintf(c->out,
		"---\nlibrary_name: %s\npipeline_tag: image-classification\ntags:\n- image-classification\n- "
		"thaw\n---\n",
		library);
	fprintf(c->out, "# %s: %lld output%s, %s\n\nWritten by Thaw %s.", m->variant, (long long)m->classes,
		m->classes == 1 ? "" : "s", thaw_task_phrase(m->task), thaw_build());
	if (c->result && !as_trained)
		fprintf(c->out,
			" The results of the run do not apply: it is another checkpoint, or images are prepared in "
			"another way.");
	fprintf(c->out, "\n\n");
	write_use(c, strcmp(library, "timm") == 0);
	fprintf(c->out, "\nOutputs: %s.\n",
		m->task == THAW_TASK_VALUE ? "numbers in the units of the data"
		: m->sigmoid_from ? "logits that are independent of each other; probabilities are their sigmoids"
				  : "logits of classes of which an image has one; probabilities are their softmax");
	write_data(c);
	write_recipe(c);
	if (as_trained)
		write_accuracy(c);
	fprintf(c->out, "\n## Preprocessing\n\n%s\n", thaw_preprocess_text(&m->preprocess, line, sizeof(line)));
	write_digests(c, m);
}

/* What the run directory has; nothing if it is not one. */
static thaw_status read_run(struct card *c, json_t **config, json_t **result, const char *run)
{
	struct thaw_run_record record;
	THAW_TRY(thaw_run_record_read(&record, run));
	if (record.found)
		*config = json_incref(record.config);
	thaw_run_record_close(&record);
	if (*config && thaw_path_is_directory(run))
		THAW_TRY(thaw_run_result_read(result, run));
	c->config = *config;
	c->result = *result;
	return THAW_OK;
}

thaw_status thaw_run_model_card(char **card, const struct thaw_model *m, const char *library, const char *run,
				bool as_trained)
{
	struct card c = {0};
	json_t *config = NULL, *result = NULL;
	char *text = NULL;
	size_t size;
	thaw_status status = read_run(&c, &config, &result, run);
	c.out = status == THAW_OK ? open_memstream(&text, &size) : NULL;
	if (c.out) {
		write_card(&c, m, library, as_trained);
		status = fclose(c.out) == 0 && (*card = thaw_strdup(text)) ? THAW_OK : THAW_RESOURCE;
	} else if (status == THAW_OK) {
		status = thaw_fail(THAW_RESOURCE, "out of memory: the model card");
	}
	free(text);
	json_decref(config);
	json_decref(result);
	return status;
}
