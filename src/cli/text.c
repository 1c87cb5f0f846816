/* Text for people: wrapped lines, numbers in human form, tables of results. */
#include "src/cli/text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#define LINE_WIDTH    100  /* columns */
#define LARGEST_TEXT  1024 /* bytes of what wrap_format makes */
#define LARGEST_FIXED 1e9  /* from here on numbers have FEW_DIGITS, since columns would not hold them */
#define FEW_DIGITS    3
#define LARGEST_NAME  40 /* columns that a name gets in a table; longer ones push the row */

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

/* The code point at *utf8 as ASCII; moves *utf8 behind it. */
static char next_plain(const char **utf8)
{
	char c = *(*utf8)++;
	while (((unsigned char)**utf8 & 0xC0) == 0x80)
		(*utf8)++;
	return c >= ' ' && c < 0x7F ? c : '?';
}

void wrap_text(struct wrapped *w, const char *text)
{
	char word[LINE_WIDTH + 1];
	int widest = LINE_WIDTH - w->indent;
	while (*(text += strspn(text, " "))) {
		int length = 0;
		while (*text && *text != ' ' && length < widest)
			word[length++] = next_plain(&text);
		word[length] = '\0';
		wrap_words(w, word);
	}
}

void wrap_format(struct wrapped *w, const char *format, ...)
{
	char text[LARGEST_TEXT];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	wrap_text(w, text);
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

const char *text_cut(const char *utf8, int columns, char *text)
{
	int all = 0, head = (columns - 2) / 2, tail = columns - 2 - head, n = 0;
	for (const char *c = utf8; *c; all++)
		next_plain(&c);
	bool cut = all > columns;
	for (int i = 0; *utf8; i++) {
		char c = next_plain(&utf8);
		if (cut && i == head)
			text[n++] = '.', text[n++] = '.';
		if (!cut || i < head || i >= all - tail)
			text[n++] = c;
	}
	text[n] = '\0';
	return text;
}

const char *text_fixed(const json_t *number, double scale, int decimals, char *text, size_t size)
{
	double value = scale * json_number_value(number);
	if (!json_is_number(number) || fabs(value) >= LARGEST_FIXED)
		return text_digits(number, FEW_DIGITS, text, size);
	double smallest = 0.5 * pow(10, -decimals);
	snprintf(text, size, "%.*f", decimals, fabs(value) <= smallest && value < 0 ? 0.0 : value); /* never "-0.0" */
	return text;
}

const char *text_digits(const json_t *number, int digits, char *text, size_t size)
{
	if (json_is_number(number))
		snprintf(text, size, "%.*g", digits, json_number_value(number));
	else
		snprintf(text, size, "-");
	return text;
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

bool member_is_number(const json_t *object, const char *key)
{
	return json_is_number(json_object_get(object, key));
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
