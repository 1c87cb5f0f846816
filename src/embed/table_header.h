/* The bytes before the values of a matrix in a file. */
#ifndef THAW_SRC_EMBED_TABLE_HEADER_H
#define THAW_SRC_EMBED_TABLE_HEADER_H

#include <jansson.h>

#include "thaw/error.h"

/* THAW_USAGE unless the ending of the path is that of a format: .npy or .safetensors. */
thaw_status thaw_table_check(const char *path);

/* The header of a file with fp32 values (rows,width), by the ending of its path; the values follow it. of: becomes the
 * metadata thaw.embed of a safetensors file. *header is memory from thaw_alloc. */
thaw_status thaw_table_header(void **header, size_t *size, const char *path, int64_t rows, int64_t width,
			      const json_t *of);

#endif
