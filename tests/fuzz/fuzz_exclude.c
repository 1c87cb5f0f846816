/* Fuzzes lists of excluded images: each name that is read is written and read again. */
#include "tests/fuzz/fuzz.h"
#include "thaw/exclude.h"
#include "thaw/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_exclude e = {0}, again = {0};
	fuzz_put("list", bytes, size);
	if (thaw_exclude_read(&e, fuzz_path("list")) != THAW_OK)
		fuzz_expect_message();
	for (int64_t i = 0; i < e.count && i < 8; i++) {
		char *name = thaw_exclude_escape(e.name[i]);
		fuzz_put("name", (const uint8_t *)name, strlen(name));
		if (thaw_exclude_read(&again, fuzz_path("name")) != THAW_OK || again.count != 1 ||
		    strcmp(again.name[0], e.name[i]) != 0)
			abort();
		thaw_exclude_free(&again);
		thaw_free(name);
	}
	thaw_exclude_free(&e);
	fuzz_clear((const char *const[]){"list", "name"}, 2);
	return 0;
}
