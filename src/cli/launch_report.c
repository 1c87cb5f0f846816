#include "src/cli/launch_report.h"

#include <string.h>

#include "mpi/guard.h"
#include "src/base/try.h"
#include "src/cli/launch_warnings.h"
#include "src/cli/log.h"
#include "thaw/memory.h"

#define LINE_SIZE 256 /* bytes */

void launch_append_warnings(const struct thaw_comm *comm, const struct rank_facts *all, int threads, json_t *lines)
{
	char text[LINE_SIZE];
	struct thaw_launch by = thaw_launch_read();
	struct launch launch = {.all = all,
				.ranks = comm->size,
				.threads = threads,
				.oversubscribed = launch_is_oversubscribed(),
				.by_srun = by.by && strcmp(by.by, "srun") == 0};
	const char *doubt = thaw_launch_doubt(&by, text, sizeof(text));
	if (doubt)
		json_array_append_new(lines, json_string(doubt));
	launch_warnings(&launch, lines);
}

thaw_status launch_report(struct thaw_comm *comm, int threads)
{
	struct rank_facts mine, *all = NULL;
	THAW_TRY(rank_facts_find(comm, NULL, &mine));
	thaw_status status = rank_facts_gather(comm, &mine, &all);
	if (status == THAW_OK && comm->rank == 0) {
		size_t i;
		json_t *lines = json_array(), *line;
		launch_append_warnings(comm, all, threads, lines);
		json_array_foreach(lines, i, line) log_line(comm, "warning: %s", json_string_value(line));
		json_decref(lines);
	}
	thaw_free(all);
	return status;
}
