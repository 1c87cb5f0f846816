/* See note.h. */
#include "src/model/note.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_ITEMS 8

static void append(struct thaw_note *note, const char *format, va_list arguments)
{
	const size_t before = note->used;
	int n = vsnprintf(note->text + note->used, sizeof(note->text) - note->used, format, arguments);
	if (n > 0)
		note->used += (size_t)n;
	if (note->used >= sizeof(note->text))
		note->used = sizeof(note->text) - 1;
	for (size_t i = before; i < note->used; i++) /* names of tensors may be UTF-8, which a cut would break */
		if (note->text[i] & 0x80)
			note->text[i] = '?';
}

static void append_text(struct thaw_note *note, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append_text(struct thaw_note *note, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	append(note, format, arguments);
	va_end(arguments);
}

void thaw_note_part(struct thaw_note *note, const char *format, ...)
{
	va_list arguments;
	append_text(note, "%s", note->used ? "; " : "");
	va_start(arguments, format);
	append(note, format, arguments);
	va_end(arguments);
}

void thaw_note_list(struct thaw_note *note)
{
	note->items = 0;
}

void thaw_note_item(struct thaw_note *note, const char *heading, const char *item)
{
	if (note->items == 0)
		thaw_note_part(note, "%s %s", heading, item);
	else if (note->items <= MAX_ITEMS)
		append_text(note, ", %s", note->items < MAX_ITEMS ? item : "...");
	note->items++;
}
