#include "src/train/scaling.h"

#include <math.h>

#define IN_EXCHANGE 16 /* buckets at once */

double thaw_scaling_messages(int nodes, int ranks)
{
	int all_to_alls = nodes == 1 ? 0 : nodes < ranks ? 2 : 1;
	return nodes == 1 ? 0.0 : all_to_alls + ranks - 1; /* the allgather is a ring */
}

double thaw_scaling_volume(int nodes, int ranks)
{
	return nodes == 1 ? 0.0 : (double)(nodes - 1) / nodes + (double)(ranks - 1) / ranks;
}

struct thaw_network thaw_scaling_fit(int nodes, int ranks, double few_seconds, double many_seconds, double many_bytes)
{
	return (struct thaw_network){
		.latency = few_seconds / thaw_scaling_messages(nodes, ranks),
		.bandwidth = many_bytes * thaw_scaling_volume(nodes, ranks) / fmax(many_seconds - few_seconds, 1e-9),
	};
}

double thaw_scaling_step(const struct thaw_network *network, const struct thaw_local_step *step, int nodes, int ranks)
{
	double exchange = step->exchange * thaw_scaling_volume(nodes, ranks);
	double slower =
		(step->compute + exchange) / step->compute; /* the exchange and the passes share the processor */
	double volume = thaw_scaling_volume(nodes, ranks) / network->bandwidth;
	double latency = thaw_scaling_messages(nodes, ranks) * network->latency;
	double sent = 0.0; /* when the exchange of the buckets so far has ended, but for the latency */
	for (int i = 0; i < step->buckets; i++) {
		int64_t bytes = i > 0 ? step->bucket_bytes : step->bytes - (step->buckets - 1) * step->bucket_bytes;
		sent = fmax(sent, slower * step->ready[i]) + fmax((double)bytes * volume, latency / IN_EXCHANGE);
	}
	return fmax(step->compute + exchange, sent + latency) + step->update / ranks;
}
