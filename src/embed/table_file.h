/* A matrix that is written row by row to FILE.npy or FILE.safetensors, and survives interruptions: until it is
 * complete, its rows are in FILE.partial, and FILE.partial.json says how many of them are on the disk and of what they
 * are. */
#ifndef THAW_SRC_EMBED_TABLE_FILE_H
#define THAW_SRC_EMBED_TABLE_FILE_H

#include <jansson.h>

#include "thaw/error.h"

struct thaw_table_file {
	int file;                     /* descriptor; -1: not open */
	char *path, *partial, *state; /* FILE, FILE.partial, FILE.partial.json */
	json_t *of;                   /* what the rows are of */
	int64_t rows, width, done;    /* done: rows that are on the disk */
	int64_t start;                /* bytes of the header */
};

/* THAW_USAGE unless the ending of the path is that of a format; THAW_CONFIG if the file exists. */
thaw_status thaw_table_file_check(const char *path);

/* Opens the table of rows x width values in fp32, or continues it: t->done rows are there. of: an object that describes
 * what the rows are of; a reference is kept. THAW_CONFIG if the rows that are there are of something else. The caller
 * closes *t, also after a failure. */
thaw_status thaw_table_file_open(struct thaw_table_file *t, const char *path, int64_t rows, int64_t width, json_t *of);

/* Appends rows (count,width), and records them when they are on the disk. */
thaw_status thaw_table_file_append(struct thaw_table_file *t, const float *values, int64_t count);

/* Reads the first value of a row. */
thaw_status thaw_table_file_first(const struct thaw_table_file *t, int64_t row, float *value);

/* All rows are there: gives the file its name. */
thaw_status thaw_table_file_commit(struct thaw_table_file *t);

void thaw_table_file_close(struct thaw_table_file *t); /* what is there stays */

#endif
