/* To open a file and read three blocks takes about as long on a network file system as to look up its size and time,
 * which the server is asked for anyway; to read all of it takes as long as loading the image. Entropy-coded formats
 * (JPEG, PNG, WebP) of equal size and different pixels differ in nearly every block. */
#include "src/data/fingerprint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "thaw/digest.h"

#define BLOCK ((size_t)THAW_FINGERPRINT_BLOCK)
#define CHUNK ((size_t)64 << 10) /* bytes per read of a whole file */

/* The offsets of the three blocks. */
static void place_blocks(size_t at[3], size_t size)
{
	at[0] = 0;
	at[1] = (size - BLOCK) / 2;
	at[2] = size - BLOCK;
}

static uint64_t digest_size(size_t size)
{
	uint64_t number = size;
	return thaw_digest(&number, sizeof(number), 0);
}

/* A digest is never 0, which means "not read". */
static uint64_t content_of(uint64_t digest)
{
	return digest ? digest : 1;
}

static uint64_t digest_content(const char *bytes, size_t size)
{
	uint64_t digest = 0;
	for (size_t at = 0; at < size; at += CHUNK)
		digest = thaw_digest(bytes + at, min_size(CHUNK, size - at), digest);
	return content_of(digest);
}

struct thaw_fingerprint thaw_fingerprint_of(const void *bytes, size_t size, int64_t modified)
{
	struct thaw_fingerprint f = {.modified = modified, .blocks = digest_size(size)};
	if (size <= 3 * BLOCK) {
		f.blocks = thaw_digest(bytes, size, f.blocks);
	} else {
		size_t at[3];
		place_blocks(at, size);
		for (int i = 0; i < 3; i++)
			f.blocks = thaw_digest((const char *)bytes + at[i], BLOCK, f.blocks);
	}
	f.content = digest_content(bytes, size);
	return f;
}

bool thaw_fingerprint_same(const struct thaw_fingerprint *then, const struct thaw_fingerprint *now)
{
	if (then->blocks != now->blocks)
		return false;
	bool same_time = then->modified != 0 && then->modified == now->modified;
	return same_time || (now->content != 0 && then->content == now->content);
}

static bool read_at(int fd, void *to, size_t size, size_t at)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = pread(fd, (char *)to + got, size - got, (off_t)(at + got));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			errno = n == 0 ? EIO : errno; /* the file became shorter */
			return false;
		}
		got += (size_t)n;
	}
	return true;
}

static bool read_blocks(struct thaw_fingerprint *f, int fd, size_t base, size_t size)
{
	char bytes[3 * BLOCK];
	f->blocks = digest_size(size);
	if (size <= 3 * BLOCK) {
		if (!read_at(fd, bytes, size, base))
			return false;
		f->blocks = thaw_digest(bytes, size, f->blocks);
		return true;
	}
	size_t at[3];
	place_blocks(at, size);
	for (int i = 0; i < 3; i++) {
		if (!read_at(fd, bytes, BLOCK, base + at[i]))
			return false;
		f->blocks = thaw_digest(bytes, BLOCK, f->blocks);
	}
	return true;
}

static bool read_content(struct thaw_fingerprint *f, int fd, size_t base, size_t size)
{
	char bytes[CHUNK];
	uint64_t digest = 0;
	for (size_t at = 0; at < size; at += CHUNK) {
		size_t n = min_size(CHUNK, size - at);
		if (!read_at(fd, bytes, n, base + at))
			return false;
		digest = thaw_digest(bytes, n, digest);
	}
	f->content = content_of(digest);
	return true;
}

static int64_t nanoseconds(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

thaw_status thaw_fingerprint_part(struct thaw_fingerprint *f, int fd, uint64_t offset, size_t size, bool whole,
				  const char *name)
{
	struct stat st;
	*f = (struct thaw_fingerprint){0};
	if (fstat(fd, &st) != 0)
		return thaw_fail_io("cannot read", name);
	f->modified = nanoseconds(&st);
	bool good = read_blocks(f, fd, offset, size) && (!whole || read_content(f, fd, offset, size));
	return good ? THAW_OK : thaw_fail_io("cannot read", name);
}

thaw_status thaw_fingerprint_file(struct thaw_fingerprint *f, const char *path, bool whole)
{
	struct stat st;
	*f = (struct thaw_fingerprint){0};
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe would wait */
	if (fd < 0)
		return thaw_fail_io("cannot open", path);
	bool file = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
	thaw_status status = file ? thaw_fingerprint_part(f, fd, 0, (size_t)st.st_size, whole, path)
				  : thaw_fail_io("cannot read", path);
	close(fd);
	return status;
}

int64_t thaw_modified(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? nanoseconds(&st) : 0;
}
