/* Names of tensors from files that are not trusted. Internal to src/model. */
#ifndef THAW_SRC_MODEL_TENSOR_NAME_H
#define THAW_SRC_MODEL_TENSOR_NAME_H

#include <stdbool.h>
#include <stddef.h>

#include "thaw/error.h"

/* Copies text[size], which is not NUL-terminated, to *name in memory from thaw_alloc. Returns THAW_DATA, with `file` in
 * the message, unless it is valid UTF-8, not empty, not too long and without control characters. */
thaw_status thaw_tensor_name_copy(char **name, const char *text, size_t size, const char *file);

/* Whether this path of names says that its weights are a moving average of others: ema, teacher, swa, ... */
bool thaw_name_is_average(const char *text, size_t size);

#endif
