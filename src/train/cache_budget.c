/* --cache: how much memory or disk the feature caches of this rank may take. */
#include <string.h>

#include "src/base/machine.h"
#include "src/base/minmax.h"
#include "src/base/size_text.h"
#include "src/train/run.h"

#define FREE_MEMORY_DIVISOR 2 /* --cache auto: the node's ranks together use free memory / 2 */

thaw_status run_cache_budget(const struct run *r, size_t *bytes)
{
	const char *cache = r->options.cache;
	*bytes = 0;
	if (strcmp(cache, "off") == 0)
		return THAW_OK;
	if (strcmp(cache, "auto") == 0) {
		double free = thaw_machine_memory_available(), limit = thaw_machine_memory_limit();
		free = limit > 0 ? min_double(limit, free) : free;
		*bytes = (size_t)(free / FREE_MEMORY_DIVISOR / r->comm->node_size);
		return THAW_OK;
	}
	if (!thaw_parse_size(cache, bytes))
		return thaw_fail(THAW_USAGE, "not a cache size: --cache %s: give auto, off, or bytes such as 4G",
				 cache);
	return THAW_OK;
}
