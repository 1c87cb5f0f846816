/* Numbers and names as text for terminals and logs. */
#ifndef THAW_SRC_CLI_DISPLAY_TEXT_H
#define THAW_SRC_CLI_DISPLAY_TEXT_H

#include <jansson.h>
#include <stdio.h>

/* 1234567 as "1.23 M"; bytes as "1.18 MiB"; seconds as "2:05" or "1:02:05". Each returns text. */
const char *text_count(double n, char *text, size_t size);
const char *text_bytes(double n, char *text, size_t size);
const char *text_duration(double seconds, char *text, size_t size);

/* Width of `utf8` in terminal columns, one per code point. */
int text_columns(const char *utf8);
/* Prints `utf8`, padded with spaces to `columns`. */
void text_pad(FILE *out, const char *utf8, int columns);

/* Returns the code point at *utf8 as ASCII ('?' if it is not printable ASCII) and advances *utf8 past it. */
char text_next_ascii(const char **utf8);

/* Copies utf8 as ASCII ('?' for any other character). Text wider than `columns` has its middle replaced by "..".
 * text holds columns + 1 bytes. Returns text. */
const char *text_cut(const char *utf8, int columns, char *text);

/* A JSON number times `scale` with `decimals` digits after the point; a JSON number with `digits` significant digits,
 * as %g prints it. Both write "-" if `number` is not a number, and return text. */
const char *text_fixed(const json_t *number, double scale, int decimals, char *text, size_t size);
const char *text_digits(const json_t *number, int digits, char *text, size_t size);

#endif
