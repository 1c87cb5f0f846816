/* Tar files for tests, made with libarchive. */
#ifndef THAW_TESTS_TAR_WRITER_H
#define THAW_TESTS_TAR_WRITER_H

#include "tests/scratch.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>

#include "src/data/tar_index.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define TAR_IMAGE "tests/golden/images/rgb.jpg"

/* Writes a member: a file, or with `link` a link to that name. */
static inline void tar_put(struct archive *a, const char *name, const void *bytes, size_t size, const char *link,
			   bool hard)
{
	struct archive_entry *e = archive_entry_new();
	assert_non_null(e);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, link && !hard ? AE_IFLNK : AE_IFREG);
	archive_entry_set_perm(e, 0644);
	archive_entry_set_mtime(e, 1,
				500000000); /* half seconds need a second header in pax, as Python's tarfile writes */
	archive_entry_set_size(e, link ? 0 : (la_int64_t)size);
	if (link && hard)
		archive_entry_set_hardlink(e, link);
	else if (link)
		archive_entry_set_symlink(e, link);
	assert_true(archive_write_header(a, e) >=
		    ARCHIVE_WARN); /* names that are not of the locale are stored as bytes */
	if (!link && size > 0)
		assert_int_equal(archive_write_data(a, bytes, size), size);
	archive_entry_free(e);
}

/* Writes the members, separated by spaces, to the tar file `path`: "a/b.jpg" is an image, "a.cls=3" a text,
 * "a.jpg>b.jpg" a link and "a.jpg>>b.jpg" a hard link. "@" within a text is a space. The n-th image, from 1, has n
 * zeros behind it, so that its size tells which it is. format: "ustar", "pax" or "gnutar". Returns the size of the
 * image without zeros. */
static inline size_t tar_write(const char *path, const char *format, const char *members)
{
	char spec[8192], *rest = spec;
	void *image;
	size_t size, images = 0;
	struct archive *a = archive_write_new();
	assert_int_equal(archive_write_set_format_by_name(a, format), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	assert_int_equal(thaw_file_read(&image, &size, TAR_IMAGE, 1 << 20), THAW_OK);
	char *grown = calloc(size + 1000, 1);
	memcpy(grown, image, size);
	snprintf(spec, sizeof(spec), "%s", members);
	for (char *token; (token = strsep(&rest, " "));) {
		char *value = strpbrk(token, "=>"), kind = value ? *value : '\0';
		bool hard = kind == '>' && value[1] == '>';
		if (value)
			*value++ = '\0';
		for (char *at = value; at && *at; at++)
			*at = *at == '@' ? ' ' : *at;
		if (kind == '>')
			tar_put(a, token, NULL, 0, value + hard, hard);
		else if (kind == '=')
			tar_put(a, token, value, strlen(value), NULL, false);
		else if (*token)
			tar_put(a, token, grown, size + ++images, NULL, false);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	thaw_free(image);
	free(grown);
	return size;
}

/* Writes the index of a shard, as thaw pack does. */
static inline void tar_write_index(const char *path)
{
	struct tar_shard shard = {0};
	int fd = open(path, O_RDONLY);
	assert_int_equal(thaw_tar_scan(&shard, fd, path), THAW_OK);
	assert_int_equal(thaw_tar_index_write(&shard, path), THAW_OK);
	close(fd);
	thaw_tar_shard_free(&shard);
}

#endif
