/* Ranking of networks by how well they suit a dataset, and the Pareto front of quality and cost. */
#ifndef THAW_SRC_ADVISE_RANKING_H
#define THAW_SRC_ADVISE_RANKING_H

#include <stdbool.h>

struct thaw_ranked_network {
	int network;    /* the caller's index of the network */
	double probe;   /* leave-one-out accuracy of the probe */
	double error;   /* standard error of `probe` */
	double logme;   /* breaks ties between probes */
	double seconds; /* per image */
	bool pareto;    /* output: no better network is as cheap */
};

/* Sorts best first and sets `pareto`. The next in the order is, among the remaining networks whose probe is within two
 * standard errors of the best remaining one, the one with the highest LogME; among equals, the first in the input. */
void thaw_ranking_sort(struct thaw_ranked_network *networks, int count);

#endif
