/* Results of commands: JSON objects, printed as they are or as text. */
#include "src/cli/result.h"

#include <stdarg.h>

#include "src/base/minmax.h"
#include "src/cli/display_text.h"
#include "thaw/report.h"

#define LINE_SIZE    512 /* bytes of a line of append_line */
#define LARGEST_NAME 40  /* columns of a class name in a table; longer names shift their row */

thaw_status give_result(json_t **result, json_t *object)
{
	if (!object)
		return thaw_fail(THAW_RESOURCE, "out of memory: the result as JSON: free memory on the node of rank 0");
	*result = object;
	return THAW_OK;
}

double member_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

bool member_is_number(const json_t *object, const char *key)
{
	return json_is_number(json_object_get(object, key));
}

const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

void append_line(json_t *lines, const char *format, ...)
{
	char line[LINE_SIZE];
	va_list args;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	json_array_append_new(lines, thaw_report_string(line));
}

/* Width of the widest name, at most LARGEST_NAME. */
static int name_columns(json_t *per_class, const char *heading)
{
	int columns = text_columns(heading);
	const char *name;
	json_t *row;
	json_object_foreach(per_class, name, row)
	{
		columns = max_int(columns, text_columns(name));
	}
	return min_int(columns, LARGEST_NAME);
}

/* "85.00 %", or the number itself; "-" for null. */
static void print_cell(const json_t *row, const char *key, bool percent, FILE *out)
{
	if (!member_is_number(row, key))
		fprintf(out, "  %9s", "-");
	else if (percent)
		fprintf(out, "  %7.2f %%", 100 * member_real(row, key));
	else
		fprintf(out, "  %9.5g", member_real(row, key));
}

/* A table of the members keys[n] of each row. */
static void print_rows(json_t *rows, const char *heading, const char *const *keys, const char *const *headings, int n,
		       bool percent, FILE *out)
{
	int columns = name_columns(rows, heading);
	const char *name;
	json_t *row;
	fprintf(out, "\n%-*s  %9s", columns, heading, "images");
	for (int k = 0; k < n; k++)
		fprintf(out, "  %9s", headings[k]);
	fputc('\n', out);
	json_object_foreach(rows, name, row)
	{
		text_pad(out, name, columns);
		fprintf(out, "  %9.0f", member_real(row, "images"));
		for (int k = 0; k < n; k++)
			print_cell(row, keys[k], percent, out);
		fputc('\n', out);
	}
}

static void print_per_class(json_t *per_class, FILE *out)
{
	int columns = name_columns(per_class, "class");
	const char *name;
	json_t *row;
	fprintf(out, "\n%-*s  %9s  %9s\n", columns, "class", "images", "accuracy");
	json_object_foreach(per_class, name, row)
	{
		text_pad(out, name, columns);
		if (member_real(row, "images") > 0)
			fprintf(out, "  %9.0f  %7.2f %%\n", member_real(row, "images"),
				100 * member_real(row, "accuracy"));
		else
			fprintf(out, "  %9d  %9s\n", 0, "-");
	}
}

/* "22 images (test): top-1 ..." */
static void print_accuracy(const json_t *metrics, const char *split, FILE *out)
{
	fprintf(out, "%.0f images%s%s%s: ", member_real(metrics, "images"), split[0] ? " (" : "", split,
		split[0] ? ")" : "");
	if (json_object_get(metrics, "top1"))
		fprintf(out, "top-1 %.2f %%, top-5 %.2f %%, ", 100 * member_real(metrics, "top1"),
			100 * member_real(metrics, "top5"));
	if (json_object_get(metrics, "map"))
		fprintf(out, "mAP %.2f %%, macro F1 %.2f %%, ", 100 * member_real(metrics, "map"),
			100 * member_real(metrics, "macro_f1"));
	if (json_object_get(metrics, "kappa"))
		fprintf(out, "accuracy %.2f %%, MAE %.3f grades, kappa %.4f, ", 100 * member_real(metrics, "accuracy"),
			member_real(metrics, "mae"), member_real(metrics, "kappa"));
	if (json_object_get(metrics, "r2"))
		fprintf(out, "R2 %.4f, ", member_real(metrics, "r2"));
	if (json_object_get(metrics, "knn"))
		fprintf(out, "by the %.0f nearest of %.0f training images", member_real(metrics, "knn"),
			member_real(metrics, "reference_images"));
	else
		fprintf(out, "loss %.4f", member_real(metrics, "loss"));
	if (json_object_get(metrics, "balanced_accuracy"))
		fprintf(out, ", balanced accuracy %.2f %%", 100 * member_real(metrics, "balanced_accuracy"));
	fputc('\n', out);
}

void print_metrics(const json_t *result, FILE *out)
{
	static const char *const labels[] = {"average_precision", "threshold", "f1"};
	static const char *const label_headings[] = {"precision", "threshold", "F1"};
	static const char *const values[] = {"mae", "rmse", "r2"}, *const value_headings[] = {"MAE", "RMSE", "R2"};
	const json_t *validation = json_object_get(result, "validation");
	const char *split = member_text(result, "split");
	if (validation)
		print_accuracy(validation, "validation", out);
	if (json_object_get(result, "images"))
		print_accuracy(result, split, out);
	if (member_real(result, "damaged") > 0)
		fprintf(out, "damaged images skipped: %.0f\n", member_real(result, "damaged"));
	if (json_object_size(json_object_get(result, "per_class")) > 0)
		print_per_class(json_object_get(result, "per_class"), out);
	if (json_object_get(result, "per_label"))
		print_rows(json_object_get(result, "per_label"), "label", labels, label_headings, 3, true, out);
	if (json_object_get(result, "per_value"))
		print_rows(json_object_get(result, "per_value"), "value", values, value_headings, 3, false, out);
}
