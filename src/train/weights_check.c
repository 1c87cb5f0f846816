/* Compares the weights of all ranks. They are equal by construction; memory or a network that fails may change them on
 * one rank, and training would go on with a mixture.
 *
 * What is compared: the trained values, and the frozen ones that the trunk and tail compute with. Not the optimizer's
 * state, of which each rank has another part, and not copies that kernels have packed. */
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/digest.h"

static uint64_t digest_weights(const struct run_phase *p)
{
	uint64_t digest = thaw_digest(p->params->values, (size_t)p->params->length * sizeof(float), 0);
	for (int i = 0; i < p->graph->param_count; i++) {
		const struct thaw_param *param = &p->graph->params[i];
		if (!param->trainable && param->data)
			digest = thaw_digest(param->data, (size_t)thaw_shape_count(&param->shape) * sizeof(float),
					     digest);
	}
	return digest ? digest : 1; /* 0 would be unknown */
}

thaw_status run_compare_weights(struct run *r)
{
	struct thaw_comm_difference d;
	if (r->comm->size == 1)
		return THAW_OK;
	uint64_t digest = digest_weights(&r->phase);
	THAW_TRY(thaw_comm_compare(r->comm, &digest, 1, &d));
	if (d.item < 0)
		return THAW_OK;
	thaw_fail(THAW_UNFINISHED,
		  "the weights after step %lld differ between ranks: rank %d on %s is not like rank %d on %s, as "
		  "if its memory or network failed: this state is not saved; run the same command again to "
		  "continue from the checkpoint before, without that host if it happens again",
		  (long long)r->at.total_steps, d.rank, d.host, d.other, d.other_host);
	return run_fail_together(r, THAW_UNFINISHED);
}
