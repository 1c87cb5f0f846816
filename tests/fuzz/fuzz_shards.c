/* Fuzzes weights in several files: the input is the index, and the two files "a" and "b" that it may name
 * (fuzz_split). */
#include "src/model/shards.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"index.json", "a", "b"};
	struct fuzz_part parts[3] = {0};
	struct thaw_weights w = {0};
	volatile uint64_t digest = 0;
	fuzz_split(parts, 3, bytes, size);
	for (int i = 0; i < 3; i++)
		fuzz_put(names[i], parts[i].bytes, parts[i].size);
	if (thaw_weights_read_index(&w, fuzz_path("index.json")) != THAW_OK)
		fuzz_expect_message();
	for (int i = 0; i < w.count; i++)
		digest ^=
			thaw_digest(w.tensors[i].data,
				    (size_t)thaw_shape_count(&w.tensors[i].shape) * thaw_dtype_size(w.tensors[i].dtype),
				    strlen(w.tensors[i].name));
	for (int i = 0; i < w.metadata_count; i++)
		digest ^= strlen(w.metadata[i].key) + strlen(w.metadata[i].value);
	thaw_weights_free(&w);
	fuzz_clear(names, 3);
	return 0;
}
