#include "src/cli/inspect_data.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "thaw/error.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

enum { SPLITS = THAW_OPEN_SPLITS, LARGEST_NAME = 40 /* columns */ };

/* Samples of each class; of LABELS those that have the label, of VALUE those whose number is known. */
static void count_samples(json_int_t *size, const struct thaw_dataset *d)
{
	for (int64_t i = 0; i < d->count; i++) {
		if (!d->targets)
			size[d->labels[i]]++;
		for (int c = 0; d->targets && c < d->classes; c++) {
			float target = d->targets[i * d->classes + c];
			size[c] += d->task == THAW_TASK_VALUE ? !isnan(target) : target > 0;
		}
	}
}

/* Adds the range and the mean of a quantity to its row. */
static void add_range(json_t *row, const struct thaw_dataset *d, int c)
{
	double least = INFINITY, most = -INFINITY, sum = 0, known = 0;
	for (int64_t i = 0; i < d->count; i++) {
		double value = d->targets[i * d->classes + c];
		if (isnan(value))
			continue;
		least = fmin(least, value);
		most = fmax(most, value);
		sum += value;
		known++;
	}
	if (known > 0)
		json_object_update_new(
			row, json_pack("{s:f, s:f, s:f}", "minimum", least, "mean", sum / known, "maximum", most));
}

/* {"rose": {"training": 60, "test": 15}, ...} */
static json_t *classes_json(const struct thaw_dataset d[SPLITS])
{
	const struct thaw_dataset *first = d[0].count > 0 ? &d[0] : &d[1];
	json_t *classes = json_array();
	for (int c = 0; c < first->classes; c++) {
		json_t *row = json_pack("{s:o}", "name", thaw_report_string(first->class_names[c]));
		json_array_append_new(classes, row);
		if (first->task == THAW_TASK_VALUE)
			add_range(row, first, c);
	}
	for (int s = 0; s < SPLITS; s++) {
		json_int_t *size = d[s].count > 0 ? thaw_alloc((size_t)d[s].classes, sizeof(*size)) : NULL;
		if (size)
			count_samples(size, &d[s]);
		for (int c = 0; size && c < d[s].classes; c++)
			json_object_set_new(json_array_get(classes, (size_t)c), thaw_dataset_kind(&d[s]),
					    json_integer(size[c]));
		thaw_free(size);
	}
	return classes;
}

thaw_status inspect_data(const char *path, const struct thaw_dataset_options *options, json_t **result)
{
	struct thaw_dataset d[SPLITS] = {{0}};
	const struct thaw_dataset *parts[SPLITS] = {&d[0], &d[1], &d[2]};
	json_t *o = NULL;
	const char *place = thaw_dataset_place(path, &options->manifest);
	thaw_status status = thaw_dataset_open_splits(d, path, options);
	if (status == THAW_OK)
		status =
			give_result(&o, json_pack("{s:s, s:o, s:o}", "kind", "dataset", "found",
						  thaw_found_json(place, parts, SPLITS), "per_class", classes_json(d)));
	for (int s = 0; s < SPLITS; s++)
		thaw_dataset_close(&d[s]);
	if (status == THAW_OK)
		*result = o;
	return status;
}

static void write_line(void *context, const char *text)
{
	fprintf(context, "%s\n", text);
}

static void print_count(const json_t *row, const char *kind, FILE *out)
{
	if (member_is_number(row, kind))
		fprintf(out, "  %10.0f", member_real(row, kind));
}

static const char *first_column(const char *task)
{
	static const char *const words[][2] = {{"labels", "label"}, {"grade", "grade"}, {"value", "quantity"}};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(task, words[i][0]) == 0)
			return words[i][1];
	return "class";
}

void print_data(const json_t *result, FILE *out)
{
	static const char *const kinds[] = {"training", "validation", "test"};
	const json_t *classes = json_object_get(result, "per_class");
	int columns = text_columns("class");
	size_t i;
	json_t *row;
	thaw_found_lines(json_object_get(result, "found"), write_line, out);
	json_array_foreach(classes, i, row)
	{
		columns = max_int(columns, min_int(text_columns(member_text(row, "name")), LARGEST_NAME));
	}
	const bool values = member_is_number(json_array_get(classes, 0), "mean");
	fprintf(out, "\n%-*s", columns, first_column(member_text(json_object_get(result, "found"), "task")));
	for (int k = 0; k < SPLITS; k++)
		if (member_is_number(json_array_get(classes, 0), kinds[k]))
			fprintf(out, "  %10s", kinds[k]);
	if (values)
		fprintf(out, "  %10s  %10s  %10s", "minimum", "mean", "maximum");
	fputc('\n', out);
	json_array_foreach(classes, i, row)
	{
		text_pad(out, member_text(row, "name"), columns);
		for (int k = 0; k < SPLITS; k++)
			print_count(row, kinds[k], out);
		if (values)
			fprintf(out, "  %10.4g  %10.4g  %10.4g", member_real(row, "minimum"), member_real(row, "mean"),
				member_real(row, "maximum"));
		fputc('\n', out);
	}
}
