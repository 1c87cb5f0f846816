/* Names of members. Nothing is ever unpacked, so a name with ".." or a slash in front does no harm: such parts are left
 * out. */
#include "src/data/tar_name.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "thaw/digest.h"
#include "thaw/memory.h"

#define HEADERS      ((size_t)64 << 10) /* bytes: more than a header with a long name takes */
#define NAME_BYTES   100                /* of a header in the format of ustar */
#define PREFIX       345                /* offset of what goes before the name */
#define PREFIX_BYTES 155
#define SIZE_AT      124
#define SIZE_BYTES   12
#define SUM_AT       148
#define SUM_BYTES    8
#define TYPE_AT      156
#define MAGIC_AT     257

/* Adds the part text[length] of a path to n->text, of which `used` bytes are used. Returns the new number. */
static size_t add_part(struct tar_name *n, size_t used, const char *text, size_t length)
{
	if (length == 0 || (length == 1 && text[0] == '.'))
		return used;
	if (length == 2 && text[0] == '.' && text[1] == '.') {
		n->odd = true;
		while (used > 0 && n->text[used - 1] != '/')
			used--;
		return used > 0 ? used - 1 : 0;
	}
	if (used > 0)
		n->text[used++] = '/';
	memcpy(n->text + used, text, length);
	return used + length;
}

bool thaw_tar_name_parse(struct tar_name *n, const char *raw)
{
	size_t used = 0;
	if (strlen(raw) >= TAR_NAME)
		return false;
	n->odd = raw[0] == '/';
	for (const char *at = raw; *at;) {
		size_t length = strcspn(at, "/");
		used = add_part(n, used, at, length);
		at += length + (at[length] == '/');
	}
	n->text[used] = '\0';
	char *slash = strrchr(n->text, '/'), *base = slash ? slash + 1 : n->text;
	n->folder = slash ? (size_t)(slash - n->text) : 0;
	n->key = (size_t)(base - n->text) + strcspn(base, ".");
	n->field = n->text + n->key + (n->text[n->key] == '.');
	return used > 0;
}

uint64_t thaw_tar_key_digest(const struct tar_name *n)
{
	return thaw_digest(n->text, n->key, 0);
}

uint64_t thaw_tar_name_digest(const struct tar_name *n)
{
	return thaw_digest(n->text, strlen(n->text), 0);
}

bool thaw_tar_name_target(struct tar_name *target, const struct tar_name *n, const char *link)
{
	char path[2 * TAR_NAME];
	if (link[0] == '/')
		return thaw_tar_name_parse(target, link);
	int length = snprintf(path, sizeof(path), "%.*s/%s", (int)n->folder, n->text, link);
	return length > 0 && (size_t)length < sizeof(path) && thaw_tar_name_parse(target, path + (n->folder == 0));
}

/* The number at[bytes] in octal digits, between spaces; false for any other form. */
static bool read_octal(uint64_t *number, const uint8_t *at, size_t bytes)
{
	size_t i = 0, digits = 0;
	*number = 0;
	while (i < bytes && at[i] == ' ')
		i++;
	for (; i < bytes && at[i] >= '0' && at[i] <= '7'; i++, digits++)
		*number = *number << 3 | (uint64_t)(at[i] - '0');
	return digits > 0 && (i == bytes || at[i] == ' ' || at[i] == '\0');
}

static bool has_checksum(const uint8_t header[TAR_BLOCK])
{
	uint64_t wanted, sum = 0;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : header[i];
	return read_octal(&wanted, header + SUM_AT, SUM_BYTES) && wanted == sum;
}

bool thaw_tar_header_parse(struct tar_name *n, uint64_t *size, const uint8_t header[TAR_BLOCK])
{
	char raw[PREFIX_BYTES + NAME_BYTES + 2];
	const char *text = (const char *)header;
	bool file = header[TYPE_AT] == '0' || header[TYPE_AT] == '\0' || header[TYPE_AT] == '7';
	/* GNU's headers have other fields in place of the prefix. */
	bool prefix = memcmp(text + MAGIC_AT, "ustar\0", 6) == 0 && text[PREFIX] != '\0';
	if (!file || !has_checksum(header) || !read_octal(size, header + SIZE_AT, SIZE_BYTES))
		return false;
	if (prefix)
		snprintf(raw, sizeof(raw), "%.*s/%.*s", PREFIX_BYTES, text + PREFIX, NAME_BYTES, text);
	else
		snprintf(raw, sizeof(raw), "%.*s", NAME_BYTES, text);
	return thaw_tar_name_parse(n, raw);
}

/* The name in the headers bytes[size]. */
static bool parse_headers(struct tar_name *n, const void *bytes, size_t size)
{
	struct archive_entry *entry;
	struct archive *a = archive_read_new();
	bool good = a && archive_read_support_format_tar(a) == ARCHIVE_OK &&
		    archive_read_open_memory(a, bytes, size) == ARCHIVE_OK;
	int result = good ? archive_read_next_header(a, &entry) : ARCHIVE_FATAL;
	if (result == ARCHIVE_OK || result == ARCHIVE_WARN) {
		const char *name = archive_entry_pathname_utf8(entry);
		name = name ? name : archive_entry_pathname(entry);
		good = name && thaw_tar_name_parse(n, name);
	} else {
		good = false;
	}
	archive_read_free(a);
	return good;
}

thaw_status thaw_tar_name_read(struct tar_name *n, int fd, uint64_t position, size_t length, const char *shard)
{
	size_t size = length > 0 && length < HEADERS ? length : HEADERS;
	char *bytes = thaw_alloc(size, 1);
	if (!bytes)
		return THAW_RESOURCE;
	ssize_t got;
	do {
		got = pread(fd, bytes, size, (off_t)position);
	} while (got < 0 && errno == EINTR);
	bool good = got >= TAR_BLOCK && parse_headers(n, bytes, (size_t)got);
	thaw_free(bytes);
	return good ? THAW_OK
		    : thaw_fail(THAW_DATA, "no member at byte %llu: %s: the shard has changed since it was opened",
				(unsigned long long)position, shard);
}
