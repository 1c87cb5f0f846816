/* Numbers and names as text for terminals and logs. */
#include "src/cli/display_text.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define LARGEST_FIXED 1e9 /* larger numbers are printed with FEW_DIGITS, to fit their columns */
#define FEW_DIGITS    3

/* Divides n by `unit` until it is below one unit; three significant digits. */
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

char text_next_ascii(const char **utf8)
{
	char c = *(*utf8)++;
	while (((unsigned char)**utf8 & 0xC0) == 0x80)
		(*utf8)++;
	return c >= ' ' && c < 0x7F ? c : '?';
}

const char *text_cut(const char *utf8, int columns, char *text)
{
	int all = 0, head = (columns - 2) / 2, tail = columns - 2 - head, n = 0;
	for (const char *c = utf8; *c; all++)
		text_next_ascii(&c);
	bool cut = all > columns;
	for (int i = 0; *utf8; i++) {
		char c = text_next_ascii(&utf8);
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
	snprintf(text, size, "%.*f", decimals, fabs(value) <= smallest && value < 0 ? 0.0 : value); /* avoids "-0.0" */
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
