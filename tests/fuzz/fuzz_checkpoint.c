/* Fuzzes the reader of checkpoints: any bytes as a file give a state or an error with a text of one line.
 *
 * Built by `make fuzz` with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION, which lets frames with a wrong checksum
 * through to the parser after it. */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "thaw/checkpoint.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

/* A small frame may hold very much; larger files only make each run slower. */
#define SIZE_LIMIT    ((size_t)16 << 10)
#define CONTENT_LIMIT ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static thaw_status discard(struct thaw_sink *sink, const void *bytes, size_t size)
{
	*(uint64_t *)sink->context = thaw_digest(bytes, size, *(uint64_t *)sink->context);
	return THAW_OK;
}

/* A description accepts what the reader accepts, and contents that are too large for it. */
static void describe_checkpoint(const char *path, bool readable)
{
	struct thaw_weights state = {0};
	thaw_status status = thaw_checkpoint_describe(&state, path);
	if (status != THAW_OK && (readable || thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')))
		abort();
	thaw_weights_free(&state);
}

static void read_as_checkpoint(const char *path)
{
	struct thaw_weights state = {0};
	bool readable = false;
	uint64_t digest = 0;
	struct thaw_sink sink = {.write = discard, .context = &digest};
	if (thaw_checkpoint_read(&state, path, CONTENT_LIMIT) == THAW_OK) {
		/* Whatever was accepted can be written; the digest reads every byte of every tensor. */
		if (thaw_safetensors_write(&state, &sink) != THAW_OK)
			abort();
		readable = true;
	} else if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')) {
		abort();
	}
	thaw_weights_free(&state);
	describe_checkpoint(path, readable);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	if (size > SIZE_LIMIT)
		return 0;
	int fd = memfd_create("checkpoint", MFD_CLOEXEC);
	char *path = thaw_format("/proc/self/fd/%d", fd);
	if (fd < 0 || !path || write(fd, bytes, size) != (ssize_t)size)
		abort(); /* of the test itself */
	read_as_checkpoint(path);
	thaw_free(path);
	close(fd);
	return 0;
}
