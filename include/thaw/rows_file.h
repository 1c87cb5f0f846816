/* A file that is written in order and survives interruptions: until it is complete it is FILE.partial, and
 * FILE.partial.json says how much of it is on the disk and of what it is. */
#ifndef THAW_ROWS_FILE_H
#define THAW_ROWS_FILE_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_rows_file {
	int file;                     /* descriptor; -1: not open */
	char *path, *partial, *state; /* FILE, FILE.partial, FILE.partial.json */
	json_t *of;                   /* what the rows are of */
	int64_t rows, bytes;          /* that are on the disk */
	int64_t failed;               /* of these rows: those without a result */
};

/* THAW_CONFIG if the file exists. */
thaw_status thaw_rows_file_check(const char *path);

/* Opens the file, or continues it: f->rows are there then, and `header` is not written. of: an object that describes
 * what the rows are of; a reference is kept. THAW_CONFIG if the rows that are there are of something else. The caller
 * closes *f, also after a failure. */
thaw_status thaw_rows_file_open(struct thaw_rows_file *f, const char *path, json_t *of, const void *header,
				size_t size);

/* Appends some rows, `failed` of them without a result, and records them when they are on the disk. */
thaw_status thaw_rows_file_append(struct thaw_rows_file *f, const void *bytes, size_t size, int64_t rows,
				  int64_t failed);

/* Reads from the file. */
thaw_status thaw_rows_file_read(const struct thaw_rows_file *f, void *bytes, size_t size, int64_t at);

/* All rows are there: gives the file its name. */
thaw_status thaw_rows_file_commit(struct thaw_rows_file *f);

/* Closes the descriptor and frees memory. FILE.partial stays on the disk, for the next call of thaw_rows_file_open. */
void thaw_rows_file_close(struct thaw_rows_file *f);

THAW_END_DECLS

#endif
