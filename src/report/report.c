/* JSON files: whole objects, and one object per line (metrics).
 *
 * A line is appended with one write, so that `tail -f` shows whole lines, and a killed run leaves at most its last line
 * incomplete. */
#include "thaw/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/target.h"
#include "src/base/try.h"
#include "src/base/utf8.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define INDENT 2

static bool write_full(int fd, const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, bytes, size);
		if (n < 0 && errno != EINTR)
			return false;
		if (n > 0) {
			bytes += n;
			size -= (size_t)n;
		}
	}
	return true;
}

/* Appends the text. After a failure (a full disk) the file has its old length, so that the next line is complete. */
static thaw_status append(const char *path, const char *text, size_t size)
{
	char *target = NULL;
	THAW_TRY(thaw_path_target(&target, path)); /* to open a pipe would wait for a reader */
	int fd = open(target, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	thaw_free(target);
	if (fd < 0)
		return thaw_fail_io("cannot open", path);
	thaw_status status = THAW_OK;
	struct stat st;
	if (fstat(fd, &st) != 0) {
		status = thaw_fail_io("cannot write", path);
	} else if (!write_full(fd, text, size)) {
		status = thaw_fail_io("cannot write", path);
		if (S_ISREG(st.st_mode) && ftruncate(fd, st.st_size) != 0)
			status = thaw_fail_in(status, "an incomplete line remains");
	}
	if (close(fd) != 0 && status == THAW_OK)
		status = thaw_fail_io("cannot write", path);
	return status;
}

thaw_status thaw_report_line(const char *path, const json_t *object)
{
	size_t size = json_dumpb(object, NULL, 0, JSON_COMPACT);
	if (size == 0)
		return thaw_fail(THAW_SOFTWARE, "not a JSON object: a line of %s", path);
	char *line = thaw_alloc(size + 1, 1);
	if (!line)
		return THAW_RESOURCE;
	json_dumpb(object, line, size, JSON_COMPACT);
	line[size] = '\n';
	thaw_status status = append(path, line, size + 1);
	thaw_free(line);
	return status;
}

/* A sink and the status of the last write: jansson only reports that a write failed. */
struct dump {
	struct thaw_sink *sink;
	thaw_status status;
};

static int dump_to_sink(const char *text, size_t size, void *data)
{
	struct dump *dump = data;
	dump->status = dump->sink->write(dump->sink, text, size);
	return dump->status == THAW_OK ? 0 : -1;
}

thaw_status thaw_report_file(const char *path, const json_t *object)
{
	struct thaw_file_writer *f;
	THAW_TRY(thaw_file_writer_open(&f, path));
	struct dump dump = {.sink = thaw_file_writer_sink(f)};
	/* If the sink did not fail, the object has a value that JSON cannot express. */
	if (json_dump_callback(object, dump_to_sink, &dump, JSON_INDENT(INDENT)) != 0 && dump.status == THAW_OK)
		dump.status = thaw_fail(THAW_SOFTWARE, "not a JSON object: %s", path);
	if (dump.status == THAW_OK)
		dump_to_sink("\n", 1, &dump);
	if (dump.status == THAW_OK)
		return thaw_file_writer_commit(f);
	thaw_file_writer_discard(f);
	return dump.status;
}

thaw_status thaw_report_rewind(const char *path, int64_t lines)
{
	char *target = NULL;
	THAW_TRY(thaw_path_target(&target, path));
	FILE *file = fopen(target, "r+e");
	thaw_free(target);
	if (!file)
		return errno == ENOENT ? THAW_OK : thaw_fail_io("cannot open", path);
	char *line = NULL;
	size_t capacity = 0;
	off_t end = 0, keep = 0;
	ssize_t size;
	for (int64_t i = 0; (size = getline(&line, &capacity, file)) > 0; i++) {
		end += size;
		if (i < lines && line[size - 1] == '\n')
			keep = end;
	}
	free(line);
	thaw_status status = THAW_OK;
	if (ferror(file))
		status = thaw_fail_io("cannot read", path);
	else if (keep < end && ftruncate(fileno(file), keep) != 0)
		status = thaw_fail_io("cannot truncate", path);
	fclose(file);
	return status;
}

thaw_status thaw_report_read(json_t **object, const char *path, size_t limit, const char *remedy)
{
	void *text = NULL;
	size_t size = 0;
	json_error_t where;
	THAW_TRY(thaw_file_read(&text, &size, path, limit));
	json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &where);
	thaw_free(text);
	if (!value && json_error_code(&where) == json_error_out_of_memory)
		return thaw_fail(THAW_RESOURCE, "out of memory: %s", path);
	if (!value)
		return thaw_fail(THAW_DATA, "damaged file, invalid JSON in line %d: %s: %s", where.line, path, remedy);
	if (!json_is_object(value)) {
		json_decref(value);
		return thaw_fail(THAW_DATA, "damaged file, no JSON object: %s: %s", path, remedy);
	}
	*object = value;
	return THAW_OK;
}

json_t *thaw_report_string(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	const size_t width = sizeof(replacement) - 1;
	char *valid = thaw_alloc(strlen(text) + 1, width);
	if (!valid)
		return NULL;
	size_t used = 0;
	while (*text) {
		size_t length = thaw_utf8_length(text);
		memcpy(valid + used, length ? text : replacement, length ? length : width);
		used += length ? length : width;
		text += length ? length : 1;
	}
	json_t *string = json_stringn(valid, used);
	thaw_free(valid);
	if (!string)
		thaw_fail(THAW_RESOURCE, "out of memory: a JSON string of %zu bytes", used);
	return string;
}
