/* Matlab's MAT-files of version 5. Internal to src/data. */
#ifndef THAW_SRC_DATA_MAT_H
#define THAW_SRC_DATA_MAT_H

#include <stdint.h>

#include "thaw/error.h"

/* Reads the numeric matrix of that name, in its order in the file, into values[*count], which the caller frees with
 * thaw_free. Its numbers must be whole and fit into 32 bits. THAW_DATA if the file has no such matrix, or is damaged.
 */
thaw_status thaw_mat_read(int32_t **values, int64_t *count, const char *path, const char *name);

#endif
