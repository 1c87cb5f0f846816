#include "src/cli/doctor_nodes.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "thaw/report.h"

#define HOST_COLUMNS   16
#define CLOCK_ACCURACY 0.1 /* seconds; smaller differences are not known from a comparison after barriers */

static json_t *node_json(const struct rank_facts *all, int ranks, int first)
{
	const struct rank_facts *f = &all[first];
	cpu_set_t together;
	CPU_ZERO(&together);
	int here = 0, fewest = f->usable, most = f->usable, shares = 1, sees = 1;
	double ahead = f->clock_ahead;
	for (int r = first; r < ranks; r++) {
		if (strcmp(all[r].host, f->host) != 0)
			continue;
		here++;
		fewest = min_int(fewest, all[r].usable);
		most = max_int(most, all[r].usable);
		shares &= all[r].shares_memory;
		sees &= all[r].sees_directory;
		CPU_OR(&together, &together, &all[r].cores);
		if (fabs(all[r].clock_ahead) < fabs(ahead))
			ahead = all[r].clock_ahead;
	}
	return json_pack("{s:o, s:i, s:i, s:i, s:i, s:i, s:I, s:I, s:s, s:o, s:s, s:s, s:f, s:b, s:b}", "host",
			 thaw_report_string(f->host), "ranks", here, "cores", f->cores_of_node, "usable_cores",
			 CPU_COUNT(&together), "fewest_cores_per_rank", fewest, "most_cores_per_rank", most, "memory",
			 (json_int_t)f->memory, "memory_available", (json_int_t)f->memory_available, "blas_kernel",
			 f->blas_core, "processor", thaw_report_string(f->cpu), "linux", f->system, "c_library",
			 f->c_library, "clock_ahead_seconds", ahead, "shares_memory", shares, "sees_directory", sees);
}

json_t *nodes_json(const struct rank_facts *all, int ranks)
{
	json_t *nodes = json_array();
	for (int r = 0; nodes && r < ranks; r++)
		if (rank_facts_first_of_node(all, r) == r)
			json_array_append_new(nodes, node_json(all, ranks, r));
	return nodes;
}

/* How the ranks are bound: "none", "1 core" or "1-4 cores" for each. */
static const char *binding(const json_t *node, char *text, size_t size)
{
	int least = (int)member_real(node, "fewest_cores_per_rank"),
	    most = (int)member_real(node, "most_cores_per_rank");
	if (least == (int)member_real(node, "cores"))
		snprintf(text, size, "none");
	else if (least == most)
		snprintf(text, size, "%d core%s", least, least == 1 ? "" : "s");
	else
		snprintf(text, size, "%d-%d cores", least, most);
	return text;
}

static const char *clock_text(const json_t *node, char *text, size_t size)
{
	double ahead = member_real(node, "clock_ahead_seconds");
	if (fabs(ahead) < CLOCK_ACCURACY)
		snprintf(text, size, "equal");
	else
		snprintf(text, size, "%+.1f s", ahead);
	return text;
}

static const char *yes_or_no(const json_t *node, const char *key)
{
	return json_is_true(json_object_get(node, key)) ? "yes" : "no";
}

void print_nodes(const json_t *nodes, FILE *out)
{
	char bound[32], memory[32], clock[32];
	size_t i;
	json_t *n;
	int hosts = 4, linux_columns = 5;
	json_array_foreach(nodes, i, n)
	{
		hosts = min_int(max_int(hosts, (int)strlen(member_text(n, "host"))), HOST_COLUMNS);
		linux_columns = max_int(linux_columns, (int)strlen(member_text(n, "linux")));
	}
	fprintf(out, "nodes\n  %-*s %5s %5s  %-9s %9s  %-10s %-*s %-10s %-6s %-9s %s\n", hosts, "host", "ranks",
		"cores", "binding", "memory", "BLAS", linux_columns, "Linux", "clock", "shared", "directory",
		"processor");
	json_array_foreach(nodes, i, n)
	{
		fprintf(out, "  %-*s %5.0f %5.0f  %-9s %9s  %-10s %-*s %-10s %-6s %-9s %s\n", hosts,
			member_text(n, "host"), member_real(n, "ranks"), member_real(n, "cores"),
			binding(n, bound, sizeof(bound)), text_bytes(member_real(n, "memory"), memory, sizeof(memory)),
			member_text(n, "blas_kernel"), linux_columns, member_text(n, "linux"),
			clock_text(n, clock, sizeof(clock)), yes_or_no(n, "shares_memory"),
			yes_or_no(n, "sees_directory"), member_text(n, "processor"));
	}
}
