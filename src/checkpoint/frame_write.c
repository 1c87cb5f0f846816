/* Bytes to a checkpoint file: zstd streaming into an atomic file writer. */
#include <zstd.h>

#include "src/checkpoint/frame.h"
#include "thaw/tensor.h"

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

static thaw_status compress(ZSTD_CCtx *zstd, struct thaw_sink *sink, const void *bytes, size_t size, const char *path)
{
	size_t capacity = ZSTD_CStreamOutSize();
	void *block = thaw_alloc(capacity, 1);
	if (!block)
		return THAW_RESOURCE;
	ZSTD_inBuffer in = {.src = bytes, .size = size};
	thaw_status status = THAW_OK;
	size_t left;
	do {
		ZSTD_outBuffer out = {.dst = block, .size = capacity};
		left = ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end);
		if (ZSTD_isError(left))
			status = fail_zstd(left, path);
		else
			status = sink->write(sink, block, out.pos);
	} while (status == THAW_OK && left > 0);
	thaw_free(block);
	return status;
}

thaw_status thaw_frame_write(const char *path, const void *bytes, size_t size, int level)
{
	struct thaw_file_writer *f = NULL;
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	if (!zstd)
		return thaw_fail(THAW_RESOURCE, "out of memory: a compressor for %s", path);
	thaw_status status;
	THAW_TRY_OUT(configure(zstd, size, level, path));
	THAW_TRY_OUT(thaw_file_open(&f, path));
	THAW_TRY_OUT(compress(zstd, thaw_file_sink(f), bytes, size, path));
	status = thaw_file_commit(f);
	f = NULL;
out:
	thaw_file_discard(f);
	ZSTD_freeCCtx(zstd);
	return status;
}
