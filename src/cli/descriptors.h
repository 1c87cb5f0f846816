/* The descriptors 0, 1 and 2. */
#ifndef THAW_SRC_CLI_DESCRIPTORS_H
#define THAW_SRC_CLI_DESCRIPTORS_H

#include <stdbool.h>

/* Opens /dev/null on those of the descriptors 0 to 2 that are closed. Otherwise open() would give out such a number for
 * a file of the run, and messages or results would be written into that file. Each is opened the wrong way round, so
 * that reading input or writing a result fails, as it does with a closed descriptor. Returns false if that fails. Call
 * before anything opens a file. */
bool descriptors_reserve(void);

#endif
