/* Output of words in lines of limited width. */
#include "src/cli/wrap.h"

#include <stdarg.h>
#include <string.h>

#include "src/cli/display_text.h"

#define LINE_WIDTH   100  /* columns */
#define LARGEST_TEXT 1024 /* bytes that wrap_format formats */

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

void wrap_text(struct wrapped *w, const char *text)
{
	char word[LINE_WIDTH + 1];
	int widest = LINE_WIDTH - w->indent;
	while (*(text += strspn(text, " "))) {
		int length = 0;
		while (*text && *text != ' ' && length < widest)
			word[length++] = text_next_ascii(&text);
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
