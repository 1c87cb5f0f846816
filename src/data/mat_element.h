/* The elements that Matlab's MAT-files of version 5 consist of. Internal to src/data. */
#ifndef THAW_SRC_DATA_MAT_ELEMENT_H
#define THAW_SRC_DATA_MAT_ELEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

enum mat_type {
	MAT_INT8 = 1,
	MAT_UINT8 = 2,
	MAT_INT16 = 3,
	MAT_UINT16 = 4,
	MAT_INT32 = 5,
	MAT_UINT32 = 6,
	MAT_SINGLE = 7,
	MAT_DOUBLE = 9,
	MAT_INT64 = 12,
	MAT_UINT64 = 13,
	MAT_MATRIX = 14,
	MAT_COMPRESSED = 15,
	MAT_UTF8 = 16,
};

/* A part of the file that is not read yet. */
struct mat_cursor {
	const uint8_t *at;
	size_t left;
	const char *path; /* for messages */
};

struct mat_element {
	uint32_t type; /* enum mat_type, or another one */
	const uint8_t *data;
	size_t size;
};

/* A matrix is an element of elements: flags, dimensions and name are the first. */
struct mat_matrix {
	int class; /* of its values */
	bool complex;
	int64_t count;
	struct mat_element name;
	struct mat_cursor rest; /* its values */
};

thaw_status thaw_mat_damaged(const char *path);

/* The content of a file of bytes[size]. THAW_DATA if it is not such a file. */
thaw_status thaw_mat_begin(struct mat_cursor *c, const void *bytes, size_t size, const char *path);
/* Reads the next element. THAW_DATA if it is not complete. */
thaw_status thaw_mat_next(struct mat_cursor *c, struct mat_element *e);
/* The element that a compressed one contains. *memory: from thaw_alloc, holds its data; freed by the caller, also after
 * an error. */
thaw_status thaw_mat_inflate(struct mat_element *inner, uint8_t **memory, const struct mat_element *e,
			     const char *path);
/* Reads the beginning of an element that must be a matrix. */
thaw_status thaw_mat_matrix(struct mat_matrix *m, const struct mat_element *e, const char *path);

#endif
