/* CSV files. libcsv parses; this file finds the separator, counts lines, and bounds what is kept. */
#include "src/data/csv.h"

#include <csv.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define CHUNK ((size_t)1 << 20) /* bytes per read */

static const char byte_order_mark[] = "\xef\xbb\xbf";

struct reader {
	const char *path;
	const struct csv_visitor *visitor;
	struct csv_parser parser;
	int64_t line;   /* of the next byte */
	bool after_cr;  /* the last byte was a CR: an LF that follows belongs to the same line end */
	bool open;      /* a record has begun */
	bool ended;     /* a record ended within the last piece */
	int64_t begin;  /* line on which the record began */
	char *text;     /* [CSV_RECORD_LIMIT] the fields of the record, each ended by a NUL */
	size_t bytes;   /* of them */
	size_t *offset; /* [CSV_FIELD_LIMIT] of the fields in `text` */
	char **field;   /* [CSV_FIELD_LIMIT] */
	int count;
	thaw_status status; /* of the callbacks */
};

/* libcsv doubles its buffer: twice the limit of a record is enough. */
static void *grow_field(void *buffer, size_t size)
{
	return size > 2 * CSV_RECORD_LIMIT ? NULL : realloc(buffer, size);
}

static thaw_status fail_long(const struct reader *r)
{
	return thaw_fail(THAW_DATA,
			 "record of more than %d bytes or %d fields: %s: line %lld: check its quotes: one that is not "
			 "closed takes all lines after it",
			 (int)CSV_RECORD_LIMIT, CSV_FIELD_LIMIT, r->path, (long long)r->begin);
}

static void add_field(void *bytes, size_t size, void *context)
{
	struct reader *r = context;
	if (r->status != THAW_OK)
		return;
	if (r->count == CSV_FIELD_LIMIT || size >= CSV_RECORD_LIMIT - r->bytes) {
		r->status = fail_long(r);
		return;
	}
	if (size > 0 && memchr(bytes, '\0', size)) {
		r->status =
			thaw_fail(THAW_DATA, "not a text file: %s: line %lld has a NUL byte: save it as CSV in UTF-8",
				  r->path, (long long)r->line);
		return;
	}
	if (size > 0)
		memcpy(r->text + r->bytes, bytes, size);
	r->text[r->bytes + size] = '\0';
	r->offset[r->count++] = r->bytes;
	r->bytes += size + 1;
}

static void end_record(int terminator, void *context)
{
	struct reader *r = context;
	(void)terminator;
	r->ended = true;
	/* Spreadsheets write rows without content as separators only. */
	bool empty = r->bytes == (size_t)r->count;
	if (r->status == THAW_OK && !empty) {
		for (int i = 0; i < r->count; i++)
			r->field[i] = r->text + r->offset[i];
		const struct csv_record record = {r->begin, r->count, r->field};
		r->status = r->visitor->visit(r->visitor->context, &record);
	}
	r->count = 0;
	r->bytes = 0;
}

static thaw_status fail_parse(const struct reader *r)
{
	int error = csv_error((struct csv_parser *)&r->parser);
	if (error == CSV_EPARSE)
		return thaw_fail(THAW_DATA,
				 "quotes in the wrong place: %s: line %lld: a field with quotes is written "
				 "\"like \"\"this\"\"\"",
				 r->path, (long long)r->line);
	return error == CSV_ENOMEM || error == CSV_ETOOBIG ? fail_long(r) : thaw_fail(THAW_SOFTWARE, "libcsv failed");
}

/* Whether the bytes have any but spaces and the end of a line. */
static bool has_content(const char *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (!strchr(" \t\r\n", bytes[i]))
			return true;
	return false;
}

/* Bytes up to the first line end, with it. */
static size_t piece_length(const char *bytes, size_t size)
{
	size_t n = 0;
	while (n < size && bytes[n] != '\n' && bytes[n] != '\r')
		n++;
	return n < size ? n + 1 : size;
}

/* Parses bytes of one line. */
static thaw_status parse_piece(struct reader *r, const char *bytes, size_t size)
{
	if (!r->open)
		r->begin = r->line;
	r->ended = false;
	size_t parsed = csv_parse(&r->parser, bytes, size, add_field, end_record, r);
	if (r->status != THAW_OK)
		return r->status;
	if (parsed != size)
		return fail_parse(r);
	r->open = !r->ended && (r->open || has_content(bytes, size));
	bool cr = bytes[size - 1] == '\r', lf = bytes[size - 1] == '\n';
	r->line += cr || (lf && !(r->after_cr && size == 1));
	r->after_cr = cr;
	return THAW_OK;
}

static thaw_status parse(struct reader *r, const char *bytes, size_t size)
{
	while (size > 0) {
		size_t n = piece_length(bytes, size);
		THAW_TRY(parse_piece(r, bytes, n));
		bytes += n;
		size -= n;
	}
	return THAW_OK;
}

static bool is_separator(char c)
{
	return c == ',' || c == ';' || c == '\t';
}

/* The separator of which the first line with content has most, outside of quotes. */
static char find_separator(const char *bytes, size_t size)
{
	static const char separators[] = {',', ';', '\t'};
	int count[sizeof(separators)] = {0}, best = 0;
	bool quoted = false;
	size_t i = 0;
	while (i < size && strchr(" \r\n", bytes[i]))
		i++;
	for (; i < size && (quoted || (bytes[i] != '\n' && bytes[i] != '\r')); i++) {
		quoted ^= bytes[i] == '"';
		for (size_t s = 0; !quoted && s < sizeof(separators); s++)
			count[s] += bytes[i] == separators[s];
	}
	for (int s = 1; s < (int)sizeof(separators); s++)
		if (count[s] > count[best])
			best = s;
	return separators[best];
}

/* Looks at the start of the file. *skip: bytes that are not CSV. */
static thaw_status read_start(struct reader *r, const char *bytes, size_t size, size_t *skip)
{
	const unsigned char *head = (const unsigned char *)bytes;
	if (size >= 2 && ((head[0] == 0xff && head[1] == 0xfe) || (head[0] == 0xfe && head[1] == 0xff)))
		return thaw_fail(THAW_DATA, "UTF-16: %s: save it as CSV in UTF-8", r->path);
	*skip = size >= 3 && memcmp(bytes, byte_order_mark, 3) == 0 ? 3 : 0;
	const char *text = bytes + *skip;
	size_t left = size - *skip, line = piece_length(text, left);
	if (line >= 5 && line <= 7 && strncmp(text, "sep=", 4) == 0 && is_separator(text[4])) {
		csv_set_delim(&r->parser, (unsigned char)text[4]);
		*skip += line;
		r->line++;
		r->after_cr = text[line - 1] == '\r';
		return THAW_OK;
	}
	csv_set_delim(&r->parser, (unsigned char)find_separator(text, left));
	return THAW_OK;
}

/* Reads until the buffer is full or the file ends. */
static thaw_status read_chunk(int fd, char *buffer, size_t *size, const char *path)
{
	for (*size = 0; *size < CHUNK;) {
		ssize_t n = read(fd, buffer + *size, CHUNK - *size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return thaw_fail_io("cannot read", path);
		if (n == 0)
			break;
		*size += (size_t)n;
	}
	return THAW_OK;
}

static thaw_status read_all(struct reader *r, int fd, char *buffer, uint64_t *digest)
{
	size_t size = 0, skip = 0;
	*digest = 0;
	for (bool first = true; first || size == CHUNK; first = false) {
		THAW_TRY(read_chunk(fd, buffer, &size, r->path));
		*digest = size > 0 ? thaw_digest(buffer, size, *digest) : *digest;
		if (first)
			THAW_TRY(read_start(r, buffer, size, &skip));
		THAW_TRY(parse(r, buffer + skip, size - skip));
		skip = 0;
	}
	if (csv_fini(&r->parser, add_field, end_record, r) != 0)
		return thaw_fail(THAW_DATA,
				 "quotes that are not closed: %s: line %lld: close them, or write \"\" for a quote",
				 r->path, (long long)r->begin);
	return r->status;
}

static thaw_status open_text(int *fd, const char *path)
{
	struct stat st;
	THAW_TRY(thaw_open_file(fd, &st, path));
	if (S_ISREG(st.st_mode))
		return THAW_OK;
	close(*fd);
	return thaw_fail(THAW_DATA, "%s, not a file: %s: save it as a file: it is read more than once",
			 thaw_file_kind(st.st_mode), path);
}

thaw_status thaw_csv_read(const char *path, const struct csv_visitor *visitor, uint64_t *digest)
{
	int fd;
	struct reader r = {.path = path, .visitor = visitor, .line = 1};
	THAW_TRY(open_text(&fd, path));
	char *buffer = thaw_alloc(CHUNK, 1);
	r.text = thaw_alloc(CSV_RECORD_LIMIT, 1);
	r.offset = thaw_alloc(CSV_FIELD_LIMIT, sizeof(*r.offset));
	r.field = thaw_alloc(CSV_FIELD_LIMIT, sizeof(*r.field));
	thaw_status status = buffer && r.text && r.offset && r.field ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && csv_init(&r.parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
		status = thaw_fail(THAW_SOFTWARE, "libcsv cannot start");
	if (status == THAW_OK) {
		csv_set_realloc_func(&r.parser, grow_field);
		status = read_all(&r, fd, buffer, digest);
		csv_free(&r.parser);
	}
	thaw_free(buffer);
	thaw_free(r.text);
	thaw_free(r.offset);
	thaw_free(r.field);
	close(fd);
	return status;
}
