/* Fuzzes the readers of weight files through thaw_weights_parse.
 *
 * `make fuzz` builds it with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION, which disables the checksums of zip archives,
 * and runs it with tests/golden as seeds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/digest.h"
#include "thaw/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static thaw_status digest_bytes(struct thaw_sink *sink, const void *bytes, size_t size)
{
	*(uint64_t *)sink->context = thaw_digest(bytes, size, *(uint64_t *)sink->context);
	return THAW_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_weights w = {0};
	uint64_t digest = 0;
	struct thaw_sink sink = {digest_bytes, &digest};
	if (thaw_weights_parse(&w, bytes, size, "fuzz") == THAW_OK) {
		/* Every accepted set can be written; the digest reads every byte of every tensor. */
		if (thaw_safetensors_write(&w, &sink) != THAW_OK)
			abort();
	} else if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')) {
		abort(); /* an error message is one line */
	}
	thaw_weights_free(&w);
	return 0;
}
