/* See prediction_row.h. libcsv quotes the fields. */
#include "src/cli/prediction_row.h"

#include <csv.h>
#include <string.h>

#include "src/cli/result.h"
#include "thaw/report.h"

#define NUMBER_SIZE 32 /* bytes of a number as text */
#define DIGITS      9  /* of a float, so that it can be read back */

enum prediction_format prediction_format_of(const char *path)
{
	static const char *const endings[PREDICTION_FORMATS] = {".csv", ".jsonl"};
	size_t n = strlen(path);
	for (int f = 0; f < PREDICTION_FORMATS; f++)
		if (n > strlen(endings[f]) && strcmp(path + n - strlen(endings[f]), endings[f]) == 0)
			return (enum prediction_format)f;
	return PREDICTION_FORMATS;
}

/* A field, after a comma unless it is the first. */
static void put(FILE *out, const char *text, bool first)
{
	if (!first)
		fputc(',', out);
	if (text[strcspn(text, "\",\r\n")] || text[0] == ' ')
		csv_fwrite(out, text, strlen(text));
	else
		fputs(text, out);
}

static void put_number(FILE *out, double number)
{
	char text[NUMBER_SIZE];
	snprintf(text, sizeof(text), "%.*g", DIGITS, number);
	put(out, text, false);
}

/* The name of a class or quantity, as in prediction_json. */
static const char *name_of(const struct thaw_model *m, int64_t class, char text[NUMBER_SIZE])
{
	if (m->labels)
		return m->labels[class];
	snprintf(text, NUMBER_SIZE, m->task == THAW_TASK_VALUE ? "value %lld" : "%lld", (long long)class);
	return text;
}

void prediction_write_head(FILE *out, enum prediction_format format, const struct thaw_model *model, int top)
{
	char text[NUMBER_SIZE];
	if (format != PREDICTION_CSV)
		return;
	fputs("image,label", out);
	for (int64_t c = 0; c < model->classes && model->task == THAW_TASK_VALUE; c++)
		put(out, name_of(model, c, text), false);
	if (model->task == THAW_TASK_GRADE)
		fputs(",grade", out);
	for (int k = 0; k < top && model->task != THAW_TASK_VALUE; k++) {
		snprintf(text, sizeof(text), k > 0 ? "%d" : "", k + 1);
		fprintf(out, ",predicted%s,probability%s", text, text);
		if (model->task == THAW_TASK_LABELS)
			break;
	}
	fputs(",error\n", out);
}

static void put_class(FILE *out, const struct thaw_model *m, const json_t *prediction)
{
	char text[NUMBER_SIZE];
	if (!prediction) {
		fputs(",,", out);
		return;
	}
	put(out, name_of(m, json_integer_value(json_object_get(prediction, "class")), text), false);
	put_number(out, member_real(prediction, "probability"));
}

/* All labels of an image in one field, their probabilities in another. */
static void put_labels(FILE *out, const struct thaw_model *m, const json_t *predictions)
{
	char *text = NULL, number[NUMBER_SIZE];
	size_t size = 0, i;
	const json_t *p;
	FILE *names = open_memstream(&text, &size);
	if (!names)
		return;
	json_array_foreach(predictions, i, p)
	{
		fprintf(names, "%s%s", i > 0 ? "|" : "",
			name_of(m, json_integer_value(json_object_get(p, "class")), number));
	}
	fclose(names);
	put(out, text, false);
	free(text);
	fputc(',', out);
	json_array_foreach(predictions, i, p)
	{
		fprintf(out, "%s%.*g", i > 0 ? "|" : "", DIGITS, member_real(p, "probability"));
	}
}

static void put_predictions(FILE *out, const struct thaw_model *m, const json_t *image, int top)
{
	const json_t *predictions = json_object_get(image, "predictions");
	if (m->task == THAW_TASK_LABELS) {
		put_labels(out, m, predictions);
		return;
	}
	for (int k = 0; k < top; k++)
		put_class(out, m, json_array_get(predictions, (size_t)k));
}

static void put_values(FILE *out, const struct thaw_model *m, const json_t *image)
{
	char text[NUMBER_SIZE];
	const json_t *values = json_object_get(image, "values");
	for (int64_t c = 0; c < m->classes; c++) {
		json_t *name = thaw_report_string(name_of(m, c, text));
		const json_t *value = json_object_get(values, name ? json_string_value(name) : "");
		if (value)
			put_number(out, json_number_value(value));
		else
			fputc(',', out);
		json_decref(name);
	}
}

static void put_grade(FILE *out, const json_t *image)
{
	const json_t *grade = json_object_get(image, "grade");
	if (json_is_string(grade) || !grade)
		put(out, member_text(image, "grade"), false);
	else
		put_number(out, json_number_value(grade));
}

static void write_csv(FILE *out, const json_t *image, const char *label, const struct thaw_model *m, int top)
{
	put(out, member_text(image, "image"), true);
	put(out, label ? label : "", false);
	if (m->task == THAW_TASK_VALUE)
		put_values(out, m, image);
	if (m->task == THAW_TASK_GRADE)
		put_grade(out, image);
	if (m->task != THAW_TASK_VALUE)
		put_predictions(out, m, image, top);
	put(out, member_text(image, "error"), false);
	fputc('\n', out);
}

void prediction_write_row(FILE *out, enum prediction_format format, json_t *image, const char *label,
			  const struct thaw_model *model, int top)
{
	if (format == PREDICTION_CSV) {
		write_csv(out, image, label, model, top);
		return;
	}
	if (label)
		json_object_set_new(image, "true_label", thaw_report_string(label));
	json_dumpf(image, out, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
	fputc('\n', out);
}
