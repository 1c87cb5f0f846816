/* Warnings on a launch, from invented facts of ranks and nodes. */
#include "tests/scratch.h"

#include <jansson.h>

#include "src/cli/doctor_nodes.h"
#include "src/cli/launch_warnings.h"

#define RANKS 8

/* `per_node` ranks on each node of 4 cores, each bound to one core. */
static void place(struct rank_facts *all, int ranks, int per_node)
{
	memset(all, 0, RANKS * sizeof(*all));
	for (int r = 0; r < ranks; r++) {
		struct rank_facts *f = &all[r];
		snprintf(f->host, sizeof(f->host), "n%d", r / per_node + 1);
		snprintf(f->cpu, sizeof(f->cpu), "a processor");
		snprintf(f->system, sizeof(f->system), "6.1.0");
		snprintf(f->c_library, sizeof(f->c_library), "glibc 2.36");
		f->cores_of_node = 4;
		f->memory = 8e9;
		f->shares_memory = f->sees_directory = true;
		CPU_SET(r % per_node, &f->cores);
		f->usable = 1;
	}
}

static void unbind(struct rank_facts *f, int cores)
{
	for (int c = 0; c < cores; c++)
		CPU_SET(c, &f->cores);
	f->usable = cores;
}

/* The warnings are exactly `lines`, up to NULL. */
static void assert_warns(struct launch launch, const char *const *lines)
{
	json_t *found = json_array();
	launch_warnings(&launch, found);
	size_t n = 0;
	for (; lines[n]; n++)
		assert_string_equal(json_string_value(json_array_get(found, n)), lines[n]);
	assert_int_equal(json_array_size(found), n);
	json_decref(found);
}
#define LINES(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void one_rank_per_core_is_fine(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 8, 4);
	assert_warns((struct launch){.all = all, .ranks = 8, .threads = 1}, LINES());
	place(all, 1, 1);
	unbind(all, 4);
	assert_warns((struct launch){.all = all, .ranks = 1, .threads = 4}, LINES());
}

static void more_ranks_than_cores(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 8, 8);
	for (int r = 0; r < 8; r++) {
		CPU_ZERO(&all[r].cores);
		unbind(&all[r], 4);
	}
	struct launch launch = {.all = all, .ranks = 8, .threads = 1};
	assert_warns(launch,
		     LINES("8 ranks share the 4 cores: n1: use mpirun --map-by ppr:4:node --bind-to core thaw ..."));
	launch.by_srun = true;
	assert_warns(launch, LINES("8 ranks share the 4 cores: n1: use srun --ntasks-per-node=4 --cpus-per-task=1 "
				   "--cpu-bind=cores thaw ..."));
	launch.oversubscribed = true;
	assert_warns(launch, LINES());
}

static void a_control_group_limits_the_cores(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 4, 4);
	for (int r = 0; r < 4; r++)
		all[r].cpu_limit = 2.5;
	assert_warns(
		(struct launch){.all = all, .ranks = 4, .threads = 1},
		LINES("4 ranks share the 2 cores that the control group allows: n1: use mpirun --map-by ppr:2:node "
		      "--bind-to core thaw ..."));
}

static void ranks_on_one_core(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 3, 3);
	for (int r = 0; r < 3; r++) {
		CPU_ZERO(&all[r].cores);
		CPU_SET(0, &all[r].cores);
	}
	/* All on one: more ranks than cores; the others of the node's four are free. */
	assert_warns(
		(struct launch){.all = all, .ranks = 3, .threads = 1},
		LINES("3 ranks share the 1 core to which they are bound: n1: use mpirun --map-by ppr:3:node --bind-to "
		      "core thaw ..."));
	/* Two on one core, and a third that may use all four. */
	unbind(&all[2], 4);
	assert_warns((struct launch){.all = all, .ranks = 3, .threads = 1},
		     LINES("2 ranks are bound to the same core: n1: use mpirun --map-by ppr:3:node --bind-to core thaw "
			   "..."));
}

static void more_threads_than_cores(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 4, 4);
	assert_warns((struct launch){.all = all, .ranks = 4, .threads = 2},
		     LINES("2 BLAS threads for each rank, but 1 core: n1: use --threads 1, or mpirun --map-by "
			   "ppr:2:node:PE=2 "
			   "--bind-to core thaw ..."));
	assert_warns((struct launch){.all = all, .ranks = 4, .threads = 8},
		     LINES("8 BLAS threads for each rank, but 1 core: n1: use --threads 1"));
	/* Two unbound ranks share four cores. */
	place(all, 2, 2);
	for (int r = 0; r < 2; r++)
		unbind(&all[r], 4);
	assert_warns((struct launch){.all = all, .ranks = 2, .threads = 2}, LINES());
	assert_warns(
		(struct launch){.all = all, .ranks = 2, .threads = 4, .by_srun = true},
		LINES("4 BLAS threads for each rank, but 2 cores: n1: use --threads 2, or srun --ntasks-per-node=1 "
		      "--cpus-per-task=4 --cpu-bind=cores thaw ..."));
}

static void the_problem_of_another_node_is_found_once(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 6, 2);
	for (int r = 2; r < 6; r++) {
		CPU_ZERO(&all[r].cores);
		CPU_SET(0, &all[r].cores);
	}
	assert_warns(
		(struct launch){.all = all, .ranks = 6, .threads = 1},
		LINES("2 ranks share the 1 core to which they are bound: n2: use mpirun --map-by ppr:2:node --bind-to "
		      "core thaw ..."));
}

static void nodes_that_differ(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	place(all, 4, 2);
	snprintf(all[3].c_library, sizeof(all[3].c_library), "glibc 2.31");
	snprintf(all[2].cpu, sizeof(all[2].cpu), "an older processor");
	snprintf(all[2].system, sizeof(all[2].system), "5.14.0");
	all[1].clock_ahead = 0.4;
	all[2].clock_ahead = -75.2;
	assert_warns(
		(struct launch){.all = all, .ranks = 4, .threads = 1},
		LINES("C libraries differ: glibc 2.36 on n1, glibc 2.31 on n2: start the job on nodes with the same "
		      "system, or results may depend on the number of ranks",
		      "processors differ: a processor on n1, an older processor on n2: the slowest node sets the pace; "
		      "request nodes of one kind",
		      "Linux versions differ: 6.1.0 on n1, 5.14.0 on n2: results are the same; speed may not be",
		      "clocks differ: n2 is 75 s behind n1: synchronise them (chronyd or ntpd); until then times of "
		      "files and logs cannot be compared"));
}

static void the_table_has_a_line_for_each_node(void **state)
{
	(void)state;
	struct rank_facts all[RANKS];
	char *text = NULL;
	size_t size = 0;
	place(all, 4, 2);
	unbind(&all[3], 3);
	all[2].clock_ahead = 12.34, all[3].clock_ahead = 12.31;
	all[3].sees_directory = false;
	json_t *nodes = nodes_json(all, 4);
	FILE *out = open_memstream(&text, &size);
	print_nodes(nodes, out);
	assert_int_equal(fclose(out), 0);
	json_decref(nodes);
	assert_string_equal(
		text,
		"nodes\n"
		"  host ranks cores  binding      memory  BLAS       Linux clock      shared directory processor\n"
		"  n1       2     4  1 core     7.45 GiB             6.1.0 equal      yes    yes       a processor\n"
		"  n2       2     4  1-3 cores  7.45 GiB             6.1.0 +12.3 s    yes    no        a processor\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_rank_per_core_is_fine),
		cmocka_unit_test(more_ranks_than_cores),
		cmocka_unit_test(a_control_group_limits_the_cores),
		cmocka_unit_test(ranks_on_one_core),
		cmocka_unit_test(more_threads_than_cores),
		cmocka_unit_test(the_problem_of_another_node_is_found_once),
		cmocka_unit_test(nodes_that_differ),
		cmocka_unit_test(the_table_has_a_line_for_each_node),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
