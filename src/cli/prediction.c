#include "src/cli/prediction.h"

#include <stdlib.h>

#include "src/base/minmax.h"
#include "src/cli/result.h"
#include "thaw/memory.h"
#include "thaw/report.h"

thaw_status prediction_open(struct prediction *p, const struct thaw_model *model)
{
	p->model = model;
	p->probability = thaw_alloc((size_t)model->classes, sizeof(*p->probability));
	p->order = thaw_alloc((size_t)model->classes, sizeof(*p->order));
	return p->probability && p->order ? THAW_OK : THAW_RESOURCE;
}

void prediction_close(struct prediction *p)
{
	thaw_free(p->order);
	thaw_free(p->probability);
	*p = (struct prediction){0};
}

static int by_falling_probability(const void *a, const void *b, void *context)
{
	const float *p = context;
	int x = *(const int *)a, y = *(const int *)b;
	return p[x] != p[y] ? (p[x] < p[y]) - (p[x] > p[y]) : (x > y) - (x < y);
}

/* Returns how many classes there are. */
static int sort_classes(struct prediction *p)
{
	int classes = (int)p->model->classes;
	for (int i = 0; i < classes; i++)
		p->order[i] = i;
	qsort_r(p->order, (size_t)classes, sizeof(*p->order), by_falling_probability, p->probability);
	return classes;
}

static json_t *class_json(const struct prediction *p, int class)
{
	json_t *one = json_pack("{s:i, s:f}", "class", class, "probability", (double)p->probability[class]);
	if (p->model->labels)
		json_object_set_new(one, "label", thaw_report_string(p->model->labels[class]));
	return one;
}

static json_t *most_probable(struct prediction *p, int top)
{
	json_t *list = json_array();
	int shown = min_int(top, sort_classes(p));
	for (int k = 0; k < shown; k++)
		json_array_append_new(list, class_json(p, p->order[k]));
	return list;
}

/* All labels above their thresholds, most probable first. */
static json_t *predicted_labels(struct prediction *p)
{
	const struct thaw_model *m = p->model;
	json_t *list = json_array();
	int classes = sort_classes(p);
	for (int k = 0; k < classes; k++) {
		int c = p->order[k];
		float threshold = m->thresholds ? m->thresholds[c] : 0.5f;
		if (p->probability[c] < threshold)
			continue;
		json_t *one = class_json(p, c);
		json_object_set_new(one, "threshold", json_real(threshold));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *values_json(const struct thaw_model *m, const float *outputs)
{
	char number[32];
	json_t *values = json_object();
	for (int64_t c = 0; c < m->classes; c++) {
		snprintf(number, sizeof(number), "value %lld", (long long)c);
		json_t *name = thaw_report_string(m->labels ? m->labels[c] : number);
		json_object_set_new(values, json_string_value(name), json_real(outputs[c]));
		json_decref(name);
	}
	return values;
}

/* The grade that predictions are counted by. */
static json_t *grade_json(const struct prediction *p, const float *outputs)
{
	int64_t grade = thaw_model_grade(p->model, outputs);
	return p->model->labels ? thaw_report_string(p->model->labels[grade]) : json_integer((json_int_t)grade);
}

json_t *prediction_json(struct prediction *p, const char *path, const float *outputs, int top)
{
	const struct thaw_model *m = p->model;
	json_t *image = json_pack("{s:o}", "image", thaw_report_string(path));
	if (m->task == THAW_TASK_VALUE) {
		json_object_set_new(image, "values", values_json(m, outputs));
		return image;
	}
	thaw_model_probabilities(m, outputs, 1, p->probability);
	if (m->task == THAW_TASK_GRADE)
		json_object_set_new(image, "grade", grade_json(p, outputs));
	json_object_set_new(image, "predictions",
			    m->task == THAW_TASK_LABELS ? predicted_labels(p) : most_probable(p, top));
	return image;
}

static void print_probabilities(const json_t *image, FILE *out)
{
	const json_t *p;
	size_t k;
	json_array_foreach(json_object_get(image, "predictions"), k, p)
	{
		fprintf(out, "  %6.2f %%  ", 100 * member_real(p, "probability"));
		if (json_object_get(p, "label"))
			fprintf(out, "%s\n", member_text(p, "label"));
		else
			fprintf(out, "class %.0f\n", member_real(p, "class"));
	}
}

static void print_values(json_t *values, FILE *out)
{
	const char *name;
	json_t *value;
	json_object_foreach(values, name, value)
	{
		fprintf(out, "  %s  %.6g\n", name, json_number_value(value));
	}
}

static void print_heatmaps(const json_t *image, FILE *out)
{
	const json_t *path;
	size_t k;
	json_array_foreach(json_object_get(image, "heatmaps"), k, path)
	{
		fprintf(out, "  heat map: %s\n", json_string_value(path));
	}
}

void prediction_print(const json_t *image, FILE *out)
{
	const json_t *grade = json_object_get(image, "grade");
	fprintf(out, "%s\n", member_text(image, "image"));
	if (json_is_string(grade))
		fprintf(out, "  grade %s\n", json_string_value(grade));
	else if (grade)
		fprintf(out, "  grade %.0f\n", json_number_value(grade));
	print_values(json_object_get(image, "values"), out);
	print_probabilities(image, out);
	if (json_is_array(json_object_get(image, "predictions")) &&
	    json_array_size(json_object_get(image, "predictions")) == 0)
		fprintf(out, "  no label is above its threshold\n");
	print_heatmaps(image, out);
}
