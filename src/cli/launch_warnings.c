#include "src/cli/launch_warnings.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/cli/result.h"

#define CLOCK_LIMIT  2.0 /* seconds */
#define COMMAND_SIZE 128 /* bytes */

/* The ranks of one node. */
struct node {
	const struct rank_facts *first;
	int ranks;
	int same_core; /* ranks bound to the one core that the first rank is bound to, if there are several */
	int cores;     /* that they may use together */
};

static struct node describe_node(const struct launch *l, int first)
{
	struct node n = {.first = &l->all[first]};
	cpu_set_t together;
	CPU_ZERO(&together);
	for (int r = first; r < l->ranks; r++) {
		const struct rank_facts *f = &l->all[r];
		if (strcmp(f->host, n.first->host) != 0)
			continue;
		n.ranks++;
		n.same_core += f->usable == 1 && CPU_EQUAL(&f->cores, &n.first->cores);
		CPU_OR(&together, &together, &f->cores);
	}
	n.cores = CPU_COUNT(&together);
	return n;
}

/* The command that starts `ranks` ranks on each node with `cores` cores each. */
static const char *placed(const struct launch *l, int ranks, int cores, char *text, size_t size)
{
	if (l->by_srun)
		snprintf(text, size, "srun --ntasks-per-node=%d --cpus-per-task=%d --cpu-bind=cores thaw ...", ranks,
			 cores);
	else if (cores == 1)
		snprintf(text, size, "mpirun --map-by ppr:%d:node --bind-to core thaw ...", ranks);
	else
		snprintf(text, size, "mpirun --map-by ppr:%d:node:PE=%d --bind-to core thaw ...", ranks, cores);
	return text;
}

/* More ranks than cores: the machine's, those the ranks are bound to, or those that the control group allows. */
static bool warn_of_crowd(const struct launch *l, const struct node *n, json_t *lines)
{
	char command[COMMAND_SIZE];
	double limit = n->first->cpu_limit;
	int allowed = limit > 0 ? min_int(n->cores, max_int((int)limit, 1)) : n->cores;
	if (l->oversubscribed || n->ranks <= allowed)
		return false;
	const char *why = allowed < n->cores                   ? " that the control group allows"
			  : n->cores < n->first->cores_of_node ? " to which they are bound"
							       : "";
	int possible = why[0] && allowed == n->cores ? min_int(n->ranks, n->first->cores_of_node) : allowed;
	append_line(lines, "%d ranks share the %d core%s%s: %s: use %s", n->ranks, allowed, allowed == 1 ? "" : "s",
		    why, n->first->host, placed(l, possible, 1, command, sizeof(command)));
	return true;
}

static bool warn_of_shared_core(const struct launch *l, const struct node *n, json_t *lines)
{
	char command[COMMAND_SIZE];
	if (n->same_core < 2 || n->ranks > n->cores)
		return false;
	append_line(lines, "%d ranks are bound to the same core: %s: use %s", n->same_core, n->first->host,
		    placed(l, n->ranks, 1, command, sizeof(command)));
	return true;
}

/* More BLAS threads than cores for a rank: those that it is bound to, divided by the ranks bound to them. */
static bool warn_of_threads(const struct launch *l, const struct node *n, json_t *lines)
{
	char command[COMMAND_SIZE];
	int sharing = 0;
	for (const struct rank_facts *f = n->first; f < l->all + l->ranks; f++)
		sharing += strcmp(f->host, n->first->host) == 0 && CPU_EQUAL(&f->cores, &n->first->cores);
	int cores = max_int(n->first->usable / sharing, 1);
	if (l->threads <= cores)
		return false;
	if (n->first->cores_of_node / l->threads < 1)
		append_line(lines, "%d BLAS threads for each rank, but %d core%s: %s: use --threads %d", l->threads,
			    cores, cores == 1 ? "" : "s", n->first->host, cores);
	else
		append_line(lines, "%d BLAS threads for each rank, but %d core%s: %s: use --threads %d, or %s",
			    l->threads, cores, cores == 1 ? "" : "s", n->first->host, cores,
			    placed(l, min_int(n->ranks, n->first->cores_of_node / l->threads), l->threads, command,
				   sizeof(command)));
	return true;
}

/* The first rank whose text at `offset` of its facts differs from rank 0's, or 0. */
static int first_different(const struct launch *l, size_t offset)
{
	for (int r = 1; r < l->ranks; r++)
		if (strcmp((const char *)&l->all[r] + offset, (const char *)l->all + offset) != 0)
			return r;
	return 0;
}

static void warn_of_differences(const struct launch *l, json_t *lines)
{
	static const struct {
		size_t offset;
		const char *what, *remedy;
	} compared[] = {
		{offsetof(struct rank_facts, c_library), "C libraries",
		 "start the job on nodes with the same system, or results may depend on the number of ranks"},
		{offsetof(struct rank_facts, cpu), "processors",
		 "the slowest node sets the pace; request nodes of one kind"},
		{offsetof(struct rank_facts, system), "Linux versions", "results are the same; speed may not be"},
	};
	for (size_t i = 0; i < sizeof(compared) / sizeof(compared[0]); i++) {
		int r = first_different(l, compared[i].offset);
		if (r > 0)
			append_line(lines, "%s differ: %s on %s, %s on %s: %s", compared[i].what,
				    (const char *)l->all + compared[i].offset, l->all[0].host,
				    (const char *)&l->all[r] + compared[i].offset, l->all[r].host, compared[i].remedy);
	}
}

static void warn_of_clocks(const struct launch *l, json_t *lines)
{
	int worst = 0;
	for (int r = 1; r < l->ranks; r++)
		if (fabs(l->all[r].clock_ahead) > fabs(l->all[worst].clock_ahead))
			worst = r;
	double ahead = l->all[worst].clock_ahead;
	if (fabs(ahead) > CLOCK_LIMIT)
		append_line(
			lines,
			"clocks differ: %s is %.0f s %s %s: synchronise them (chronyd or ntpd); until then times of "
			"files and logs cannot be compared",
			l->all[worst].host, fabs(ahead), ahead > 0 ? "ahead of" : "behind", l->all[0].host);
}

void launch_warnings(const struct launch *l, json_t *lines)
{
	bool crowd = false, shared = false, threads = false;
	/* Nodes are usually alike: the first one with a problem stands for all. */
	for (int r = 0; r < l->ranks; r++) {
		if (rank_facts_first_of_node(l->all, r) != r)
			continue;
		struct node n = describe_node(l, r);
		crowd = crowd || warn_of_crowd(l, &n, lines);
		shared = shared || warn_of_shared_core(l, &n, lines);
		threads = threads || (l->threads > 1 && warn_of_threads(l, &n, lines));
	}
	warn_of_differences(l, lines);
	warn_of_clocks(l, lines);
}

bool launch_is_oversubscribed(void)
{
	const char *mpirun = getenv("OMPI_MCA_rmaps_base_oversubscribe"), *srun = getenv("SLURM_OVERCOMMIT");
	return (mpirun && atoi(mpirun) > 0) || (srun && atoi(srun) > 0);
}
