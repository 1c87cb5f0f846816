/* What the class scores of a network mean: probabilities of one class among all, or of each class alone. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "src/ops/losses.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/ops.h"

#define MAX_CONFIG ((size_t)64 << 20) /* bytes */

static void grade_probabilities(const struct thaw_model *m, const float *outputs, int64_t n, float *probability)
{
	int64_t count = thaw_model_outputs(m);
	for (int64_t i = 0; i < n; i++)
		thaw_grade_probabilities(outputs + i * count, count, probability + i * m->classes);
}

void thaw_model_probabilities(const struct thaw_model *m, const float *logits, int64_t n, float *probability)
{
	if (m->task == THAW_TASK_GRADE)
		grade_probabilities(m, logits, n, probability);
	else if (m->sigmoid_from)
		thaw_sigmoids(logits, n * m->classes, probability);
	else
		thaw_softmax(logits, n, m->classes, probability);
}

int64_t thaw_model_grade(const struct thaw_model *m, const float *outputs)
{
	return thaw_grade_predict(outputs, thaw_model_outputs(m));
}

static bool has_problem_type(const char *path)
{
	void *text;
	size_t size;
	if (!thaw_path_is_file(path) || thaw_file_read(&text, &size, path, MAX_CONFIG) != THAW_OK)
		return false;
	json_t *config = json_loadb(text, size, 0, NULL);
	const char *type = json_string_value(json_object_get(config, "problem_type"));
	bool is = type && strcmp(type, "multi_label_classification") == 0;
	json_decref(config);
	thaw_free(text);
	return is;
}

/* The configuration of a file in onnx/ is above that folder, as on the Hub. */
thaw_status thaw_model_read_problem_type(struct thaw_model *m, const char *path)
{
	static const char *const places[] = {"config.json", "../config.json"};
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path + 1) : 0;
	bool above = strstr(path, "onnx/") != NULL;
	for (int i = 0; i <= above && !m->sigmoid_from; i++) {
		char *config = thaw_format("%.*s%s", length, path, places[i]);
		if (!config)
			return THAW_RESOURCE;
		if (has_problem_type(config))
			m->sigmoid_from = "config.json says multi_label_classification";
		thaw_free(config);
	}
	return THAW_OK;
}

thaw_status thaw_model_read_output(struct thaw_model *m, const char *recorded, const char *path)
{
	if (!recorded)
		return THAW_OK;
	if (strcmp(recorded, THAW_OUTPUT_SIGMOID) != 0)
		return thaw_fail(THAW_DATA, "invalid metadata " THAW_OUTPUT_KEY ": %s: %.64s: it must be sigmoid", path,
				 recorded);
	m->sigmoid_from = "the model's metadata";
	return THAW_OK;
}
