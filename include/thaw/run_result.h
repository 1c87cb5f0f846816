/* The result of a run, RUN/result.json, and the trained network that belongs to it. */
#ifndef THAW_RUN_RESULT_H
#define THAW_RUN_RESULT_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

/* Adds "model_file" to the result, with name, size and digest of the trained network's file `name` in the directory,
 * then writes the result with a checksum. Atomic. THAW_IO if a file cannot be read or written. */
thaw_status thaw_run_result_write(json_t *result, const char *directory, const char *name);

/* Reads the result: *result is a new reference, NULL if there is none. Results of earlier versions have no checksum and
 * are accepted. THAW_DATA if it is damaged or not a result. */
thaw_status thaw_run_result_read(json_t **result, const char *directory);

/* THAW_DATA if the trained network's file is missing, or not the one that the result records; reads all of it. Results
 * of earlier versions do not record it: THAW_OK. THAW_IO if it cannot be read. */
thaw_status thaw_run_result_check_model(const json_t *result, const char *directory);

/* The same for a file, if it is the trained network of a run directory; THAW_OK for any other. */
thaw_status thaw_run_result_check_file(const char *path);

THAW_END_DECLS

#endif
