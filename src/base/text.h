/* Text from untrusted files. */
#ifndef THAW_BASE_TEXT_H
#define THAW_BASE_TEXT_H

#include <stddef.h>

/* Copies text[length] to to[size] for a message: truncated, NUL-terminated, other than printable ASCII replaced by '?'.
 */
void thaw_text_printable(char *to, size_t size, const char *text, size_t length);

#endif
