/* Output of words in lines of limited width. */
#ifndef THAW_SRC_CLI_WRAP_H
#define THAW_SRC_CLI_WRAP_H

#include <stdio.h>

/* State of the current line. Start with `column` at the position where the next character will be printed. */
struct wrapped {
	FILE *out;
	int indent; /* column at which continuation lines start */
	int column; /* of the next character */
};

/* Prints the words of `text`, separated from each other and from earlier output on the line by one space. Starts a new
 * line before a word that would pass column 100. */
void wrap_words(struct wrapped *w, const char *text);

/* Same as wrap_words for text from files: prints plain ASCII with '?' for any other character, and splits words that
 * are wider than a line. */
void wrap_text(struct wrapped *w, const char *text);
/* wrap_text on printf output of at most 1 KiB. */
void wrap_format(struct wrapped *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
