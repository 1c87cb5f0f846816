/* Building JSON, and files of one JSON object a line. Over jansson; strings are made valid UTF-8. */
#ifndef THAW_REPORT_H
#define THAW_REPORT_H

#include <stdint.h>

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* Appends the object as one line to `path` and flushes it to the system. Does not take the reference. */
thaw_status thaw_report_line(const char *path, const json_t *object);
/* Writes the object, indented, to `path` atomically (temporary name, rename). */
thaw_status thaw_report_file(const char *path, const json_t *object);
/* Cuts the file after that many lines, and a torn last line with it: a resumed run writes the rest again. A
 * missing or shorter file is fine. */
thaw_status thaw_report_rewind(const char *path, int64_t lines);
/* A JSON string of text, with invalid UTF-8 replaced by U+FFFD. New reference, NULL without memory. */
json_t *thaw_report_string(const char *text);

THAW_END_DECLS

#endif
