/* Text from files that are not trusted. Internal to src/model. */
#ifndef THAW_MODEL_TEXT_H
#define THAW_MODEL_TEXT_H

#include <stddef.h>

#include "thaw/error.h"

/* *name = a copy of text[size] from thaw_alloc, fit to be a tensor's name and to stand in a message: not
 * empty, valid UTF-8, no control characters. THAW_DATA with a message that names `file` if it is not. */
thaw_status thaw_text_name(char **name, const char *text, size_t size, const char *file);

#endif
