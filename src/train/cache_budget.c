/* --cache: how much memory or disk the feature caches of this rank may take. */
#include <string.h>
#include <sys/statvfs.h>

#include "src/base/machine.h"
#include "src/base/minmax.h"
#include "src/base/size_text.h"
#include "src/train/run.h"

#define FREE_DIVISOR 2 /* --cache auto: half of what is free */

static double free_memory(const struct run *r)
{
	double free = thaw_machine_memory_available(), limit = thaw_machine_memory_limit();
	return (limit > 0 ? min_double(limit, free) : free) / r->comm->node_size;
}

/* The disk may be one for all nodes. What the rank's files have already is as good as free. */
static double free_disk(const struct run *r, double held)
{
	struct statvfs disk;
	if (statvfs(r->options.cache_dir, &disk) != 0)
		return 0.0;
	return (double)disk.f_bavail * (double)disk.f_frsize / r->comm->size + held;
}

thaw_status run_cache_budget(const struct run *r, double held, size_t *bytes)
{
	const char *cache = r->options.cache;
	*bytes = 0;
	if (strcmp(cache, "off") == 0)
		return THAW_OK;
	if (strcmp(cache, "auto") == 0) {
		double free = r->options.cache_dir ? free_disk(r, held) : free_memory(r);
		*bytes = (size_t)(free / FREE_DIVISOR);
		return THAW_OK;
	}
	if (!thaw_parse_size(cache, bytes))
		return thaw_fail(THAW_USAGE, "not a cache size: --cache %s: give auto, off, or bytes such as 4G",
				 cache);
	return THAW_OK;
}
