/* Lowering: applies all optimisation passes to a copy of the graph. */
#include "thaw/graph.h"

thaw_status thaw_graph_lower(struct thaw_graph **lowered, const struct thaw_graph *g)
{
	struct thaw_graph *copy = thaw_graph_copy(g);
	if (!copy)
		return THAW_RESOURCE;
	thaw_status status = thaw_pass_fold(copy);
	if (status == THAW_OK)
		status = thaw_pass_join(copy);
	if (status == THAW_OK)
		status = thaw_pass_fuse(copy);
	if (status != THAW_OK) {
		thaw_graph_destroy(copy);
		return status;
	}
	*lowered = copy;
	return THAW_OK;
}
