/* Text from untrusted files. */
#ifndef THAW_BASE_TEXT_H
#define THAW_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Copies text[length] to to[size] for a message: truncated, NUL-terminated, other than printable ASCII replaced by '?'.
 */
void thaw_text_printable(char *to, size_t size, const char *text, size_t length);

/* The code and the length of the character at `text` if it acts on a terminal or on the text around it: control
 * characters, line separators, and those that change the direction of text. 0: any other character. */
size_t thaw_text_control(const char *text, uint32_t *code);

/* Replaces by a question mark, in place: such characters other than those in `keep`, and bytes that are not UTF-8 (0x9B
 * alone starts an escape sequence on some terminals). Returns text. */
char *thaw_text_clean(char *text, const char *keep);

#endif
