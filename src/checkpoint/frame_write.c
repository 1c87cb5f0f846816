/* Writes a checkpoint file: streams through zstd into an atomic file writer. */
#include <zstd.h>

#include "src/base/try.h"
#include "src/checkpoint/frame.h"
#include "thaw/memory.h"

static thaw_status fail_zstd(size_t code, const char *path)
{
	return thaw_fail(THAW_RESOURCE, "cannot compress: %s: %s", path, ZSTD_getErrorName(code));
}

static thaw_status configure(ZSTD_CCtx *zstd, size_t size, int level, const char *path)
{
	size_t code = ZSTD_CCtx_setParameter(zstd, ZSTD_c_compressionLevel, level);
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setParameter(zstd, ZSTD_c_windowLog, THAW_FRAME_WINDOW_LOG);
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setParameter(zstd, ZSTD_c_checksumFlag, 1);
	if (!ZSTD_isError(code))
		code = ZSTD_CCtx_setPledgedSrcSize(zstd, size);
	return ZSTD_isError(code) ? fail_zstd(code, path) : THAW_OK;
}

struct thaw_frame_writer {
	char *path;
	ZSTD_CCtx *zstd;
	struct thaw_file_writer *file;
	void *block; /* [capacity] output of zstd */
	size_t capacity;
};

thaw_status thaw_frame_open(struct thaw_frame_writer **f, const char *path, size_t size, int level)
{
	struct thaw_frame_writer *w = thaw_alloc(1, sizeof(*w));
	if (!w)
		return THAW_RESOURCE;
	thaw_status status = THAW_RESOURCE;
	w->capacity = ZSTD_CStreamOutSize();
	if (!(w->path = thaw_strdup(path)) || !(w->block = thaw_alloc(w->capacity, 1)))
		goto out;
	if (!(w->zstd = ZSTD_createCCtx())) {
		thaw_fail(status, "out of memory: a compressor for %s", path);
		goto out;
	}
	THAW_TRY_OUT(configure(w->zstd, size, level, path));
	THAW_TRY_OUT(thaw_file_writer_open(&w->file, path));
	*f = w;
	return THAW_OK;
out:
	thaw_frame_discard(w);
	return status;
}

void thaw_frame_on_full(struct thaw_frame_writer *f, bool (*make_room)(void *context), void *context)
{
	thaw_file_writer_on_full(f->file, make_room, context);
}

/* Compresses bytes[size]; with ZSTD_e_end also flushes and ends the frame. */
static thaw_status compress(struct thaw_frame_writer *f, const void *bytes, size_t size, ZSTD_EndDirective how)
{
	struct thaw_sink *sink = thaw_file_writer_sink(f->file);
	ZSTD_inBuffer in = {.src = bytes, .size = size};
	size_t left;
	do {
		ZSTD_outBuffer out = {.dst = f->block, .size = f->capacity};
		left = ZSTD_compressStream2(f->zstd, &out, &in, how);
		if (ZSTD_isError(left))
			return fail_zstd(left, f->path);
		THAW_TRY(sink->write(sink, f->block, out.pos));
	} while (how == ZSTD_e_end ? left > 0 : in.pos < in.size);
	return THAW_OK;
}

thaw_status thaw_frame_append(struct thaw_frame_writer *f, const void *bytes, size_t size)
{
	return compress(f, bytes, size, ZSTD_e_continue);
}

thaw_status thaw_frame_commit(struct thaw_frame_writer *f)
{
	thaw_status status = compress(f, NULL, 0, ZSTD_e_end);
	if (status == THAW_OK) {
		status = thaw_file_writer_commit(f->file);
		f->file = NULL;
	}
	thaw_frame_discard(f);
	return status;
}

void thaw_frame_discard(struct thaw_frame_writer *f)
{
	if (!f)
		return;
	thaw_file_writer_discard(f->file);
	ZSTD_freeCCtx(f->zstd);
	thaw_free(f->block);
	thaw_free(f->path);
	thaw_free(f);
}
