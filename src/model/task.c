#include "src/model/task.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "src/base/try.h"
#include "thaw/memory.h"

int64_t thaw_model_outputs(const struct thaw_model *m)
{
	return m->classes - (m->task == THAW_TASK_GRADE);
}

const char *thaw_task_sigmoid(enum thaw_task task)
{
	return task == THAW_TASK_LABELS ? "the network learned several labels per image" : NULL;
}

static thaw_status write_thresholds(char **text, const struct thaw_model *m)
{
	json_t *array = json_array();
	for (int64_t c = 0; array && c < m->classes; c++) {
		if (json_array_append_new(array, json_real(m->thresholds[c])) != 0) {
			json_decref(array);
			array = NULL;
		}
	}
	char *dumped = array ? json_dumps(array, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
	json_decref(array);
	*text = dumped ? thaw_strdup(dumped) : NULL;
	free(dumped);
	return *text ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: metadata of a model");
}

thaw_status thaw_model_write_task(const struct thaw_model *m, struct thaw_pair *pairs, int *count)
{
	if (m->task == THAW_TASK_CLASS)
		return THAW_OK;
	pairs[*count] = (struct thaw_pair){THAW_TASK_KEY, thaw_strdup(thaw_task_name(m->task))};
	if (!pairs[(*count)++].value)
		return THAW_RESOURCE;
	if (!m->thresholds)
		return THAW_OK;
	pairs[*count].key = THAW_THRESHOLDS_KEY;
	return write_thresholds(&pairs[(*count)++].value, m);
}

static bool is_threshold(const json_t *value)
{
	return json_is_number(value) && json_number_value(value) >= 0.0 && json_number_value(value) <= 1.0;
}

static thaw_status read_thresholds(struct thaw_model *m, const char *text, const char *file)
{
	json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, NULL), *value;
	bool good = json_is_array(array) && (int64_t)json_array_size(array) == m->classes;
	size_t c;
	thaw_free(m->thresholds);
	m->thresholds = thaw_alloc((size_t)m->classes, sizeof(*m->thresholds));
	thaw_status status = m->thresholds ? THAW_OK : THAW_RESOURCE;
	json_array_foreach(array, c, value)
	{
		good = good && is_threshold(value);
		if (good && m->thresholds)
			m->thresholds[c] = (float)json_number_value(value);
	}
	json_decref(array);
	if (status == THAW_OK && !good)
		status = thaw_fail(THAW_DATA,
				   "invalid metadata " THAW_THRESHOLDS_KEY ": %s: it must be an array of %lld "
				   "probabilities",
				   file, (long long)m->classes);
	return status;
}

thaw_status thaw_model_read_task(struct thaw_model *m, const char *task, const char *thresholds, const char *file)
{
	if (!task)
		return THAW_OK;
	m->task = thaw_task_find(task);
	if (m->task == THAW_TASKS)
		return thaw_fail(THAW_DATA,
				 "unknown task: %s: " THAW_TASK_KEY " is %.64s: use the version of thaw that wrote it",
				 file, task);
	m->classes += m->task == THAW_TASK_GRADE;
	m->sigmoid_from = thaw_task_sigmoid(m->task);
	return thresholds && m->task == THAW_TASK_LABELS ? read_thresholds(m, thresholds, file) : THAW_OK;
}

thaw_status thaw_model_set_thresholds(struct thaw_model *m, const float *thresholds)
{
	float *copy = thaw_alloc((size_t)m->classes, sizeof(*copy));
	if (!copy)
		return THAW_RESOURCE;
	for (int64_t c = 0; c < m->classes; c++)
		copy[c] = thresholds[c];
	thaw_free(m->thresholds);
	m->thresholds = copy;
	return THAW_OK;
}

thaw_status thaw_model_check_task(const struct thaw_model *m, enum thaw_task task, const char *what)
{
	bool independent = m->task == THAW_TASK_CLASS && m->sigmoid_from && task == THAW_TASK_LABELS;
	if (m->task == task || independent)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG, "the network learned %s, the data have %s: %s: give data of the same task",
			 thaw_task_phrase(m->task), thaw_task_phrase(task), what);
}
