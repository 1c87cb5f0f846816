/* Reads CSV files record by record, in any size. Internal to src/data. */
#ifndef THAW_SRC_DATA_CSV_H
#define THAW_SRC_DATA_CSV_H

#include <stdint.h>

#include "thaw/error.h"

#define CSV_RECORD_LIMIT ((size_t)1 << 20) /* bytes of one record */
#define CSV_FIELD_LIMIT  65536             /* fields of one record */

struct csv_record {
	int64_t line; /* where it begins in the file, from 1 */
	int count;
	char **field; /* [count], each ended by a NUL, without spaces around it unless it is quoted; bytes as in the
		       * file; the visitor may change them */
};

struct csv_visitor {
	/* Called for each record in turn, the header too; a failure ends the reading and is passed on. */
	thaw_status (*visit)(void *context, const struct csv_record *record);
	void *context;
};

/* Reads a regular file as RFC 4180 has it: fields in quotes may contain separators, quotes ("") and line feeds. The
 * separator is the comma, semicolon or tab that the first line has most of, or the one that a first line "sep=;" names.
 * Lines end with LF, CRLF or CR. A byte order mark of UTF-8 is skipped, as are empty lines and records of empty fields.
 * *digest receives the digest of all bytes. THAW_DATA, with the line, if quotes are wrong, a record is too long, or the
 * file is not text or UTF-16; THAW_IO if it cannot be read. */
thaw_status thaw_csv_read(const char *path, const struct csv_visitor *visitor, uint64_t *digest);

#endif
