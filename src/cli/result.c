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
	fprintf(out, "%.0f images%s%s%s: top-1 %.2f %%, top-5 %.2f %%, loss %.4f\n", member_real(metrics, "images"),
		split[0] ? " (" : "", split, split[0] ? ")" : "", 100 * member_real(metrics, "top1"),
		100 * member_real(metrics, "top5"), member_real(metrics, "loss"));
}

void print_metrics(const json_t *result, FILE *out)
{
	const json_t *validation = json_object_get(result, "validation");
	const char *split = member_text(result, "split");
	if (validation)
		print_accuracy(validation, "validation", out);
	if (json_object_get(result, "top1"))
		print_accuracy(result, split, out);
	if (member_real(result, "damaged") > 0)
		fprintf(out, "damaged images skipped: %.0f\n", member_real(result, "damaged"));
	if (json_object_size(json_object_get(result, "per_class")) > 0)
		print_per_class(json_object_get(result, "per_class"), out);
}
