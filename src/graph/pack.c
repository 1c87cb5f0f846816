/* Packing: frozen parameters in the form that kernels read, such as transformed Winograd filters. */
#include "src/graph/executor_internal.h"
#include "thaw/memory.h"

size_t thaw_executor_packed_bytes(const struct thaw_executor *executor)
{
	return executor->packed_bytes;
}

static void write_packed(struct thaw_executor *executor)
{
	for (int i = 1; i < executor->graph->node_count; i++) {
		struct thaw_step *step = &executor->p.steps[i];
		const struct thaw_node *n = &executor->graph->nodes[i];
		for (int k = 0; k < n->param_count; k++)
			step->param[k].data = executor->graph->params[n->params[k]].data;
		if (step->packed_bytes > 0)
			n->op->pack(&step->args, executor->packed + executor->packs[i].offset);
	}
}

void thaw_executor_bind_packed(struct thaw_executor *executor)
{
	for (int i = 1; i < executor->graph->node_count; i++) {
		struct thaw_step *step = &executor->p.steps[i];
		const struct thaw_packed *pack = &executor->packs[i];
		/* At another image size a node may use another kernel, with another form of the parameters; it then
		 * computes that form in every run. */
		bool same = executor->packed && step->packed_bytes > 0 && step->packed_bytes == pack->bytes;
		step->args.packed = same ? executor->packed + pack->offset : NULL;
	}
}

thaw_status thaw_executor_pack(struct thaw_executor *executor, void *memory, bool write)
{
	if (executor->packed_bytes == 0)
		return THAW_OK;
	if (!memory) {
		if (!executor->own_packed && !(executor->own_packed = thaw_alloc(executor->packed_bytes, 1)))
			return THAW_RESOURCE;
		memory = executor->own_packed;
	}
	executor->packed = memory;
	if (write)
		write_packed(executor);
	thaw_executor_bind_packed(executor);
	return THAW_OK;
}
