/* Text for people: wrapped lines, numbers in human form, tables of results. */
#include "src/cli/text.h"

#include <math.h>
#include <string.h>

#define LINE_WIDTH   100 /* columns */
#define LARGEST_NAME 40  /* columns that a name gets in a table; longer ones push the row */

void wrap_words(struct wrapped *w, const char *text)
{
	while (*(text += strspn(text, " "))) {
		int length = (int)strcspn(text, " ");
		if (w->column > w->indent && w->column + 1 + length > LINE_WIDTH) {
			fprintf(w->out, "\n%*s", w->indent, "");
			w->column = w->indent;
		}
		w->column += fprintf(w->out, "%s%.*s", w->column > w->indent ? " " : "", length, text);
		text += length;
	}
}

/* n divided by the unit until it is below one unit, three digits. */
static const char *scaled(double n, double unit, const char *const *names, int count, char *text, size_t size)
{
	int i = 0;
	while (fabs(n) >= unit && i < count - 1) {
		n /= unit;
		i++;
	}
	int decimals = i == 0 ? 0 : fabs(n) < 10 ? 2 : fabs(n) < 100 ? 1 : 0;
	snprintf(text, size, "%.*f%s%s", decimals, n, *names[i] ? " " : "", names[i]);
	return text;
}

const char *text_count(double n, char *text, size_t size)
{
	static const char *const names[] = {"", "k", "M", "G", "T", "P"};
	return scaled(n, 1000, names, sizeof(names) / sizeof(*names), text, size);
}

const char *text_bytes(double n, char *text, size_t size)
{
	static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	return scaled(n, 1024, names, sizeof(names) / sizeof(*names), text, size);
}

const char *text_duration(double seconds, char *text, size_t size)
{
	if (!(seconds >= 0 && seconds < 1e9)) {
		snprintf(text, size, "?");
		return text;
	}
	long s = lround(seconds);
	if (s >= 3600)
		snprintf(text, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(text, size, "%ld:%02ld", s / 60, s % 60);
	return text;
}

int text_columns(const char *utf8)
{
	int n = 0;
	for (; *utf8; utf8++)
		n += ((unsigned char)*utf8 & 0xC0) != 0x80;
	return n;
}

void text_pad(FILE *out, const char *utf8, int columns)
{
	int used = text_columns(utf8);
	fprintf(out, "%s%*s", utf8, used < columns ? columns - used : 0, "");
}

void text_clean(char *text, const char *keep)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		if ((*c < ' ' || *c == 0x7F) && !strchr(keep, *c))
			*c = '?';
		else if (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0) /* U+0080 to U+009F, as UTF-8 */
			c[0] = c[1] = '?';
	}
}

double member_real(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

const char *member_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	return text ? text : "";
}

/* Columns of the widest name, within what leaves room for the numbers. */
static int name_columns(json_t *per_class, const char *heading)
{
	int columns = text_columns(heading);
	const char *name;
	json_t *row;
	json_object_foreach(per_class, name, row)
	{
		int n = text_columns(name);
		columns = n > columns ? n : columns;
	}
	return columns < LARGEST_NAME ? columns : LARGEST_NAME;
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
		fprintf(out, "  %9.0f  %7.2f %%\n", member_real(row, "images"), 100 * member_real(row, "accuracy"));
	}
}

void print_metrics(const json_t *result, FILE *out)
{
	if (json_object_get(result, "top1"))
		fprintf(out, "%.0f images: top-1 %.2f %%, top-5 %.2f %%, loss %.4f\n", member_real(result, "images"),
			100 * member_real(result, "top1"), 100 * member_real(result, "top5"),
			member_real(result, "loss"));
	if (member_real(result, "damaged") > 0)
		fprintf(out, "damaged images left out: %.0f\n", member_real(result, "damaged"));
	if (json_object_size(json_object_get(result, "per_class")) > 0)
		print_per_class(json_object_get(result, "per_class"), out);
}
