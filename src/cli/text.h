/* Text for people: wrapped lines, numbers in human form, tables of results. */
#ifndef THAW_SRC_CLI_TEXT_H
#define THAW_SRC_CLI_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Output of words with line breaks before they pass the width of a page. */
struct wrapped {
	FILE *out;
	int indent; /* column where lines go on */
	int column; /* of the next character */
};

/* Prints the words of `text`, one space between them and what stands before on the line. */
void wrap_words(struct wrapped *w, const char *text);

/* Prints text of others as plain ASCII, '?' for the rest; words wider than a line are broken, so that none passes the
 * width of a page. */
void wrap_text(struct wrapped *w, const char *text);
/* wrap_text of what printf would make, up to 1 KiB. */
void wrap_format(struct wrapped *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 1234567 as "1.23 M"; bytes as "1.18 MiB"; seconds as "2:05" or "1:02:05". Each returns text. */
const char *text_count(double n, char *text, size_t size);
const char *text_bytes(double n, char *text, size_t size);
const char *text_duration(double seconds, char *text, size_t size);

/* Columns that `utf8` takes on a terminal, counting each code point as one. */
int text_columns(const char *utf8);
/* Prints `utf8` and spaces up to `columns`. */
void text_pad(FILE *out, const char *utf8, int columns);

/* utf8 as plain ASCII, '?' for the rest, with ".." in its middle where it has more than `columns`. text holds
 * columns + 1 bytes. Returns text. */
const char *text_cut(const char *utf8, int columns, char *text);

/* A JSON number times `scale` with so many decimals; a JSON number with so many digits, as %g has it; "-" for what is
 * no number. Each returns text. */
const char *text_fixed(const json_t *number, double scale, int decimals, char *text, size_t size);
const char *text_digits(const json_t *number, int digits, char *text, size_t size);

/* Replaces control characters, but for those in `keep`, by question marks: names and labels come from files of
 * others and must not steer a terminal. */
void text_clean(char *text, const char *keep);

/* Members of a result object; what is missing is 0 or "". */
double member_real(const json_t *object, const char *key);
const char *member_text(const json_t *object, const char *key);
bool member_is_number(const json_t *object, const char *key);

/* images, top1, top5, loss, damaged and the table per_class {name: {images, accuracy}} of a result, as
 * far as it has them. */
void print_metrics(const json_t *result, FILE *out);

#endif
