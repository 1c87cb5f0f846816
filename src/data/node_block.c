#include "src/data/node_block.h"

#include "thaw/memory.h"

thaw_status thaw_node_block_open(struct thaw_node_block *block, const struct thaw_share *share, size_t bytes)
{
	if (share)
		return share->block(share, bytes, block);
	*block = (struct thaw_node_block){.data = thaw_alloc(bytes, 1), .bytes = bytes, .writes = true};
	return block->data ? THAW_OK : THAW_RESOURCE;
}

void thaw_node_block_close(struct thaw_node_block *block)
{
	if (block->release)
		block->release(block);
	else
		thaw_free(block->data);
	*block = (struct thaw_node_block){0};
}

thaw_status thaw_node_block_filled(const struct thaw_share *share, uint64_t digest, bool *again)
{
	return share ? share->filled(share, digest, again) : THAW_OK;
}
