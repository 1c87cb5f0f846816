/* What each rank knows of its node and of its place there, gathered on rank 0. */
#ifndef THAW_SRC_CLI_RANK_FACTS_H
#define THAW_SRC_CLI_RANK_FACTS_H

#include <sched.h>
#include <stdbool.h>

#include "thaw/comm.h"

/* Without pointers, so that it can be sent as bytes. */
struct rank_facts {
	char host[65], cpu[64], blas_core[32];
	char system[65], c_library[32]; /* versions of Linux and of the C library */
	cpu_set_t cores;                /* in its affinity mask */
	int usable;                     /* number of `cores` */
	int cores_of_node;
	double cpu_limit;                /* of its control group in cores; 0: none */
	double memory, memory_available; /* of the node, in bytes */
	double clock_ahead;              /* of rank 0's clock, in seconds; 0 on rank 0 */
	bool shares_memory;              /* with the other ranks of its node */
	bool sees_directory;             /* a file that rank 0 wrote into the directory */
	double gflops, bf16_gflops;      /* of sgemm and of products in bfloat16; 0: not measured */
	bool bf16_rejected;              /* see thaw_precision_rejected */
};

/* Fills `facts` for this rank. `directory`: where rank 0 writes a file and the others look for it; NULL: it does not.
 * Memory and clocks are compared too. Collective. */
thaw_status rank_facts_find(struct thaw_comm *comm, const char *directory, struct rank_facts *facts);

/* Sets *all on rank 0 to the facts of all ranks, from thaw_alloc; NULL on the other ranks. Collective. */
thaw_status rank_facts_gather(struct thaw_comm *comm, const struct rank_facts *mine, struct rank_facts **all);

/* The first rank on the node of rank r; r itself if it is the first. */
int rank_facts_first_of_node(const struct rank_facts *all, int r);

#endif
