/* Fuzzes the readers of weight files through thaw_weights_parse, and the search for the state dict in what they read.
 *
 * `make fuzz` builds it with -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION, which disables the checksums of zip archives,
 * and runs it with tests/golden as seeds.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/model/unwrap.h"
#include "thaw/digest.h"
#include "thaw/memory.h"
#include "thaw/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static thaw_status digest_bytes(struct thaw_sink *sink, const void *bytes, size_t size)
{
	*(uint64_t *)sink->context = thaw_digest(bytes, size, *(uint64_t *)sink->context);
	return THAW_OK;
}

/* Reads every byte of every dict, then chooses among them. */
static void unwrap(struct thaw_weights *w)
{
	struct thaw_unwrapped u = {0};
	volatile uint64_t digest = 0;
	for (int d = 0; d < w->dict_count; d++)
		for (int i = 0; i < w->dicts[d].count; i++) {
			const struct thaw_named_tensor *t = &w->dicts[d].tensors[i];
			digest ^= thaw_digest(t->data, (size_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype),
					      0);
		}
	if (thaw_unwrap(w, NULL, NULL, NULL, &u, "fuzz") == THAW_OK && u.note && strchr(u.note, '\n'))
		abort(); /* what is noted is one line */
	thaw_free(u.note);
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
		unwrap(&w);
	} else if (thaw_error_message()[0] == '\0' || strchr(thaw_error_message(), '\n')) {
		abort(); /* an error message is one line */
	}
	thaw_weights_free(&w);
	return 0;
}
