/* Sizes as users write them. */
#ifndef THAW_SRC_BASE_SIZE_TEXT_H
#define THAW_SRC_BASE_SIZE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* A size such as "4G" in bytes; false for anything else. */
bool thaw_parse_size(const char *text, size_t *bytes);

#endif
