/* Text from files that are not trusted. */
#ifndef THAW_BASE_TEXT_H
#define THAW_BASE_TEXT_H

#include <stddef.h>

/* Copies text[length] to to[size] for a message: cut where it is too long, printable ASCII, NUL-terminated. */
void thaw_text_printable(char *to, size_t size, const char *text, size_t length);

#endif
