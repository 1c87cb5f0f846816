/* Reads a checkpoint file, which may be damaged.
 *
 * zstd's checksum covers the content but not the frame header, so the header must be one of the two forms that
 * frame_write.c writes. The file is read twice: memory for the content is allocated only after a first pass has
 * verified the content size of the header. A damaged size is thus reported as damage, not as lack of memory. A frame of
 * a few megabytes may expand to any size, so a size above the caller's limit is refused before the first pass. */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/try.h"
#include "src/checkpoint/frame.h"
#include "thaw/memory.h"

/* The frame header, RFC 8878, 3.1.1.1. */
#define HEADER_MAX        18 /* bytes, magic number included */
#define HEADER_MIN        6
#define DESCRIPTOR_AT     4    /* offset of the descriptor byte; the window byte follows */
#define DESCRIPTOR_MASK   0x1f /* dictionary, checksum, reserved and unused bits */
#define DESCRIPTOR_VALUE  0x04 /* of these bits, only the checksum is set */
#define DESCRIPTOR_SINGLE 0x20 /* single segment: no window byte */
#define WINDOW_BYTE       ((THAW_FRAME_WINDOW_LOG - 10) << 3)

struct reader {
	const char *path;
	size_t largest; /* content size that is accepted */
	int fd;
	ZSTD_DCtx *zstd;
	unsigned char *block; /* [block_size] input */
	size_t block_size;
	unsigned char *discard; /* [discard_size] output of the verifying pass */
	size_t discard_size;
};

static thaw_status damaged(const struct reader *r, const char *why)
{
	return thaw_fail(THAW_DATA, "damaged checkpoint: %s: %s", r->path, why);
}

/* Reads the next block; *got is 0 at the end of the file. */
static thaw_status fill(struct reader *r, size_t *got)
{
	ssize_t n;
	do {
		n = read(r->fd, r->block, r->block_size);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return thaw_fail(THAW_IO, "cannot read: %s: %s", r->path, strerror(errno));
	*got = (size_t)n;
	return THAW_OK;
}

/* Checks the frame header in block[got] and returns the content size. */
static thaw_status check_header(const struct reader *r, size_t got, size_t *size)
{
	static const unsigned char magic[DESCRIPTOR_AT] = {0x28, 0xb5, 0x2f, 0xfd};
	const unsigned char *header = r->block;
	if (got < HEADER_MIN || memcmp(header, magic, sizeof(magic)) != 0)
		return damaged(r, "no zstd frame");
	unsigned char descriptor = header[DESCRIPTOR_AT];
	if ((descriptor & DESCRIPTOR_MASK) != DESCRIPTOR_VALUE ||
	    (!(descriptor & DESCRIPTOR_SINGLE) && header[DESCRIPTOR_AT + 1] != WINDOW_BYTE))
		return damaged(r, "bad frame header");
	unsigned long long content = ZSTD_getFrameContentSize(header, got < HEADER_MAX ? got : HEADER_MAX);
	if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN)
		return damaged(r, "no content size in the frame header");
	if (descriptor & DESCRIPTOR_SINGLE && content > UINT64_C(1) << THAW_FRAME_WINDOW_LOG)
		return damaged(r, "window too large in the frame header");
	if (content > r->largest)
		return thaw_fail(
			THAW_DATA,
			"checkpoint too large: %s: its content has %llu bytes, at most %zu are expected: remove it",
			r->path, content, r->largest);
	*size = (size_t)content;
	return THAW_OK;
}

/* Decodes block[got] and the rest of the file to content[size], or only verifies it if content is NULL. The decoder has
 * consumed the checksum when all content is out, so it holds back nothing at the end of the input. */
static thaw_status decode(struct reader *r, size_t got, unsigned char *content, size_t size)
{
	size_t produced = 0, left = 1;
	while (got > 0) {
		ZSTD_inBuffer in = {.src = r->block, .size = got};
		while (in.pos < in.size) {
			if (left == 0)
				return damaged(r, "extra bytes after its end");
			ZSTD_outBuffer out = {.dst = content, .size = size, .pos = produced};
			if (!content)
				out = (ZSTD_outBuffer){.dst = r->discard, .size = r->discard_size};
			size_t before_in = in.pos, before_out = out.pos;
			left = ZSTD_decompressStream(r->zstd, &out, &in);
			if (ZSTD_isError(left))
				return damaged(r, ZSTD_getErrorName(left));
			produced += out.pos - before_out;
			if (in.pos == before_in && out.pos == before_out && left > 0)
				return damaged(r, "more content than the frame header says");
		}
		THAW_TRY(fill(r, &got));
	}
	if (left > 0 || produced != size)
		return damaged(r, "truncated");
	return THAW_OK;
}

/* One pass over the file: *size receives the content size; fills content[*size] unless it is NULL. */
static thaw_status pass(struct reader *r, unsigned char *content, size_t *size)
{
	size_t got = 0, found = 0;
	if (lseek(r->fd, 0, SEEK_SET) != 0)
		return thaw_fail(THAW_IO, "cannot read: %s: %s", r->path, strerror(errno));
	if (ZSTD_isError(ZSTD_DCtx_reset(r->zstd, ZSTD_reset_session_only)))
		return thaw_fail(THAW_SOFTWARE, "cannot reset the decompressor: %s", r->path);
	THAW_TRY(fill(r, &got));
	THAW_TRY(check_header(r, got, &found));
	if (content && found != *size)
		return damaged(r, "it changed while being read");
	*size = found;
	return decode(r, got, content, found);
}

static thaw_status open_reader(struct reader *r)
{
	struct stat st;
	if (thaw_path_is_directory(r->path))
		return thaw_fail(THAW_DATA, "not a regular file: %s", r->path);
	THAW_TRY(thaw_open_file(&r->fd, &st, r->path));
	r->block_size = ZSTD_DStreamInSize();
	r->discard_size = ZSTD_DStreamOutSize();
	r->block = thaw_alloc(r->block_size, 1);
	r->discard = thaw_alloc(r->discard_size, 1);
	r->zstd = ZSTD_createDCtx();
	if (!r->block || !r->discard || !r->zstd ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_windowLogMax, THAW_FRAME_WINDOW_LOG)))
		return thaw_fail(THAW_RESOURCE, "out of memory: a decompressor for %s", r->path);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	ZSTD_DCtx_setParameter(r->zstd, ZSTD_d_experimentalParam3, 1); /* ZSTD_d_forceIgnoreChecksum */
#endif
	return THAW_OK;
}

static void close_reader(struct reader *r)
{
	if (r->fd >= 0)
		close(r->fd);
	ZSTD_freeDCtx(r->zstd);
	thaw_free(r->block);
	thaw_free(r->discard);
}

thaw_status thaw_frame_read(void **bytes, size_t *size, const char *path, size_t largest)
{
	struct reader r = {.path = path, .largest = largest, .fd = -1};
	unsigned char *content = NULL;
	size_t found = 0;
	thaw_status status;
	THAW_TRY_OUT(open_reader(&r));
	THAW_TRY_OUT(pass(&r, NULL, &found));
	if (!bytes)
		goto out;
	if (!(content = thaw_alloc(found, 1))) {
		status = thaw_fail_in(THAW_RESOURCE, "%s", path);
		goto out;
	}
	THAW_TRY_OUT(pass(&r, content, &found));
	*bytes = content;
	*size = found;
	content = NULL;
out:
	thaw_free(content);
	close_reader(&r);
	return status;
}

/* Decodes block[got] and what follows, until bytes[size] is full. */
static thaw_status decode_first(struct reader *r, size_t got, unsigned char *bytes, size_t size)
{
	ZSTD_outBuffer out = {.dst = bytes, .size = size};
	while (out.pos < size) {
		ZSTD_inBuffer in = {.src = r->block, .size = got};
		while (in.pos < in.size && out.pos < size) {
			size_t code = ZSTD_decompressStream(r->zstd, &out, &in);
			if (ZSTD_isError(code))
				return damaged(r, ZSTD_getErrorName(code));
			if (code == 0 && out.pos < size)
				return damaged(r, "less content than the frame header says");
		}
		if (out.pos < size)
			THAW_TRY(fill(r, &got));
		if (got == 0)
			return damaged(r, "truncated");
	}
	return THAW_OK;
}

thaw_status thaw_frame_peek(void *bytes, size_t size, size_t *content, const char *path)
{
	struct reader r = {.path = path, .largest = SIZE_MAX, .fd = -1};
	size_t got = 0;
	thaw_status status;
	THAW_TRY_OUT(open_reader(&r));
	THAW_TRY_OUT(fill(&r, &got));
	THAW_TRY_OUT(check_header(&r, got, content));
	status = decode_first(&r, got, bytes, min_size(size, *content));
out:
	close_reader(&r);
	return status;
}
