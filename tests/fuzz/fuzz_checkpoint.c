/* Fuzzes the reader of checkpoints: any bytes as a file give a state or an error with a text of one line.
 *
 * Built by `make fuzz` with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION, which lets frames with a wrong checksum
 * through to the parser after it. */
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

static void read_as_checkpoint(const char *path)
{
	struct thaw_weights state = {0};
	uint64_t digest = 0;
	struct thaw_sink sink = {.write = discard, .context = &digest};
	if (thaw_checkpoint_read(&state, path, CONTENT_LIMIT) == THAW_OK) {
		/* Whatever was accepted can be written; the digest reads every byte of every tensor. */
		if (thaw_safetensors_write(&state, &sink) != THAW_OK)
			abort();
	} else if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')) {
		abort();
	}
	thaw_weights_free(&state);
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
