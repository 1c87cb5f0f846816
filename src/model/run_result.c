#include "thaw/run_result.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"

#define RESULT     "result.json"
#define ORIGIN     "origin.json" /* every run directory of this version has one */
#define CHUNK      ((size_t)1 << 20)
#define HEX_DIGITS 16
#define MAX_RESULT ((size_t)64 << 20) /* bytes; a result has a line per class */
#define AGAIN      "start the run again with the same arguments, which makes it anew from the newest checkpoint"

/* What identifies the bytes of a file. */
struct file_mark {
	json_int_t bytes;
	char digest[HEX_DIGITS + 1];
};

static thaw_status read_mark(struct file_mark *mark, int fd, const char *path)
{
	uint64_t digest = 0;
	char *chunk = thaw_alloc(CHUNK, 1);
	ssize_t n = chunk ? 1 : 0;
	mark->bytes = 0;
	while (n > 0) {
		size_t got = 0;
		/* Whole chunks: the digest depends on where they begin. */
		while (got < CHUNK && (n = read(fd, chunk + got, CHUNK - got)) != 0) {
			if (n < 0 && errno != EINTR)
				break;
			got += n > 0 ? (size_t)n : 0;
		}
		digest = thaw_digest(chunk, got, digest);
		mark->bytes += (json_int_t)got;
	}
	thaw_status status = !chunk ? THAW_RESOURCE : n < 0 ? thaw_fail_io("cannot read", path) : THAW_OK;
	thaw_free(chunk);
	snprintf(mark->digest, sizeof(mark->digest), "%016" PRIx64, digest);
	return status;
}

static thaw_status mark_file(struct file_mark *mark, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait */
	if (fd < 0)
		return thaw_fail_io("cannot open", path);
	thaw_status status = read_mark(mark, fd, path);
	close(fd);
	return status;
}

static thaw_status write_result(json_t *result, const char *directory)
{
	char *path = thaw_path_join(directory, RESULT);
	thaw_status status = path ? thaw_report_seal(result) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_report_file(path, result);
	thaw_free(path);
	return status;
}

thaw_status thaw_run_result_write(json_t *result, const char *directory, const char *name)
{
	struct file_mark mark;
	char *path = thaw_path_join(directory, name);
	thaw_status status = path ? mark_file(&mark, path) : THAW_RESOURCE;
	thaw_free(path);
	THAW_TRY(status);
	json_t *file = json_pack("{s:s, s:I, s:s}", "name", name, "bytes", mark.bytes, "digest", mark.digest);
	if (json_object_set_new(result, "model_file", file) != 0)
		return thaw_fail(THAW_RESOURCE, "out of memory: the result as JSON");
	return write_result(result, directory);
}

/* One flipped bit cannot hide both the checksum and the record of the model. */
static bool is_result(const json_t *result)
{
	enum thaw_seal seal = thaw_report_check_seal(result);
	const char *state = json_string_value(json_object_get(result, "status"));
	bool complete = state && strcmp(state, "done") == 0 && json_is_integer(json_object_get(result, "steps"));
	return complete &&
	       (seal == THAW_SEAL_GOOD || (seal == THAW_SEAL_ABSENT && !json_object_get(result, "model_file")));
}

static thaw_status load_result(json_t **result, const char *path)
{
	void *bytes = NULL;
	size_t size = 0;
	THAW_TRY(thaw_file_read(&bytes, &size, path, MAX_RESULT));
	json_t *object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, NULL);
	thaw_free(bytes);
	if (is_result(object)) {
		*result = object;
		return THAW_OK;
	}
	json_decref(object);
	return thaw_fail(THAW_DATA, "damaged result: %s: " AGAIN, path);
}

thaw_status thaw_run_result_read(json_t **result, const char *directory)
{
	char *path = thaw_path_join(directory, RESULT);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	*result = NULL;
	if (path && access(path, F_OK) == 0)
		status = load_result(result, path);
	thaw_free(path);
	return status;
}

static thaw_status check_mark(const json_t *recorded, const char *path)
{
	struct file_mark mark;
	const char *digest = json_string_value(json_object_get(recorded, "digest"));
	if (access(path, F_OK) != 0)
		return thaw_fail(THAW_DATA, "the trained network is missing: %s: " AGAIN, path);
	THAW_TRY(mark_file(&mark, path));
	if (digest && strcmp(digest, mark.digest) == 0 &&
	    json_integer_value(json_object_get(recorded, "bytes")) == mark.bytes)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "damaged trained network, not the one that the run wrote: %s: " AGAIN, path);
}

thaw_status thaw_run_result_check_model(const json_t *result, const char *directory)
{
	const json_t *recorded = json_object_get(result, "model_file");
	const char *name = json_string_value(json_object_get(recorded, "name"));
	if (!name)
		return THAW_OK;
	char *path = thaw_path_join(directory, name);
	thaw_status status = path ? check_mark(recorded, path) : THAW_RESOURCE;
	thaw_free(path);
	return status;
}

static thaw_status check_in_run(const char *directory, const char *name)
{
	json_t *result = NULL;
	char *origin = thaw_path_join(directory, ORIGIN);
	bool run = origin && access(origin, F_OK) == 0;
	thaw_free(origin);
	if (!run)
		return THAW_OK;
	THAW_TRY(thaw_run_result_read(&result, directory));
	const char *recorded = json_string_value(json_object_get(json_object_get(result, "model_file"), "name"));
	thaw_status status =
		recorded && strcmp(recorded, name) == 0 ? thaw_run_result_check_model(result, directory) : THAW_OK;
	json_decref(result);
	return status;
}

thaw_status thaw_run_result_check_file(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	if (strcmp(name, THAW_RUN_SAFETENSORS) != 0 && strcmp(name, THAW_RUN_ONNX) != 0)
		return THAW_OK;
	char *copy = thaw_strdup(path);
	thaw_status status = copy ? check_in_run(dirname(copy), name) : THAW_RESOURCE;
	thaw_free(copy);
	return status;
}
