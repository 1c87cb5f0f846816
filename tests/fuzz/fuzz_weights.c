/* Fuzzes the readers of weight files: any bytes, through the same door as a file.
 *
 * `make fuzz` builds it with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION, which skips the zip archive's checksums, and
 * starts it with tests/golden as seeds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static thaw_status discard(struct thaw_sink *sink, const void *bytes, size_t size)
{
	*(uint64_t *)sink->context = thaw_digest(bytes, size, *(uint64_t *)sink->context);
	return THAW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_weights w = {0};
	uint64_t digest = 0;
	struct thaw_sink sink = {discard, &digest};
	if (thaw_weights_parse(&w, bytes, size, "fuzz") == THAW_OK) {
		/* Whatever was accepted can be written; the digest reads every byte of every tensor. */
		if (thaw_safetensors_write(&w, &sink) != THAW_OK)
			abort();
	} else if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')) {
		abort(); /* an error has a message of one line */
	}
	thaw_weights_free(&w);
	return 0;
}
