#include "src/train/recompute.h"

#include <stdint.h>
#include <string.h>

#include "src/base/machine.h"
#include "src/base/size_text.h"
#include "src/base/try.h"
#include "thaw/executor.h"

#define FREE_DIVISOR 2 /* auto: half of what is free */
#define MIB          (1024.0 * 1024.0)

/* Bytes that the values may take. */
static thaw_status read_limit(size_t *most, const char *how, int ranks)
{
	*most = SIZE_MAX;
	if (strcmp(how, "off") == 0)
		return THAW_OK;
	if (strcmp(how, "auto") == 0) {
		double room = thaw_machine_memory_room();
		if (room > 0.0)
			*most = (size_t)(room / FREE_DIVISOR / ranks);
		return THAW_OK;
	}
	if (!thaw_parse_size(how, most))
		return thaw_fail(THAW_USAGE, "not a size: --recompute %s: give off, auto, or bytes such as 4G", how);
	return THAW_OK;
}

thaw_status thaw_recompute_check(const char *how)
{
	size_t most;
	return read_limit(&most, how, 1);
}

thaw_status thaw_recompute_choose(struct thaw_graph *g, const struct thaw_shape *image, const char *how,
				  const struct thaw_comm *comm)
{
	size_t most, bytes = 0;
	THAW_TRY(read_limit(&most, how, comm->node_size));
	int blocks = g->nodes[g->head].block;
	for (g->recomputed = 0; most < SIZE_MAX; g->recomputed++) {
		THAW_TRY(thaw_executor_tail_bytes(&bytes, g, image));
		if (bytes <= most || g->recomputed == blocks)
			break;
	}
	if (bytes <= most || strcmp(how, "auto") == 0)
		return THAW_OK;
	return thaw_fail(
		THAW_CONFIG,
		"values between layers take %.1f MiB even if all blocks are computed again: --recompute %s: give "
		"more, or a smaller --batch, or unfreeze less",
		(double)bytes / MIB, how);
}
