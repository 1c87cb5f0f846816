/* UTF-8. */
#ifndef THAW_SRC_BASE_UTF8_H
#define THAW_SRC_BASE_UTF8_H

#include <stddef.h>

/* Length of the well-formed UTF-8 sequence at text (Unicode 15, table 3-7), 1 for ASCII; 0: malformed. */
size_t thaw_utf8_length(const char *text);

#endif
