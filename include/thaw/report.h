/* JSON files over jansson: read; and reports: strings in valid UTF-8, whole files, and files with one object per line.
 */
#ifndef THAW_REPORT_H
#define THAW_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* Appends the object as one line to `path`, in one write. Does not steal the reference. THAW_IO when the file cannot be
 * opened or written; it then has its old length. */
thaw_status thaw_report_line(const char *path, const json_t *object);
/* Writes the object, indented, to `path` atomically (temporary name, rename). Does not steal the reference. */
thaw_status thaw_report_file(const char *path, const json_t *object);
/* Truncates the file after `lines` lines and removes an incomplete last line: a resumed run writes the rest again.
 * THAW_OK for a missing or shorter file. */
thaw_status thaw_report_rewind(const char *path, int64_t lines);
/* Reads a JSON object, with a new reference in *object. THAW_IO and THAW_DATA as thaw_file_read, for a file of at most
 * `limit` bytes; THAW_DATA if it is not a JSON object or has a name twice; the message then says what to do with the
 * file: `remedy`. */
thaw_status thaw_report_read(json_t **object, const char *path, size_t limit, const char *remedy);
/* The largest file that a run writes: its configuration, or its result with the names of all classes. */
#define THAW_REPORT_LIMIT ((size_t)64 << 20) /* bytes */
/* A JSON string of text, with invalid UTF-8 replaced by U+FFFD. A new reference, or NULL with THAW_RESOURCE
 * recorded. */
json_t *thaw_report_string(const char *text);

enum thaw_seal { THAW_SEAL_ABSENT, THAW_SEAL_GOOD, THAW_SEAL_BROKEN };
/* Sets the member "checksum", a digest of all other members, to detect damage to a file. */
thaw_status thaw_report_seal(json_t *object);
/* Whether an object, also one that was read from a file, is as it was when it was sealed. */
enum thaw_seal thaw_report_check_seal(const json_t *object);

THAW_END_DECLS

#endif
