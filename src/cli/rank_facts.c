/* Ranks compare their clocks after barriers, and their view of a directory by a file that rank 0 writes. */
#include "src/cli/rank_facts.h"

#include <cblas.h>
#include <fcntl.h>
#include <gnu/libc-version.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "src/base/machine.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define ROUNDS     5  /* of the comparison of clocks */
#define TOKEN_SIZE 32 /* bytes of the file by which ranks recognise a directory */

static void describe_node(struct rank_facts *f)
{
	struct utsname system;
	if (gethostname(f->host, sizeof(f->host) - 1) != 0)
		snprintf(f->host, sizeof(f->host), "unknown");
	snprintf(f->system, sizeof(f->system), "%s", uname(&system) == 0 ? system.release : "unknown");
	snprintf(f->c_library, sizeof(f->c_library), "glibc %s", gnu_get_libc_version());
	snprintf(f->blas_core, sizeof(f->blas_core), "%s", openblas_get_corename());
	thaw_machine_cpu(f->cpu, sizeof(f->cpu));
	f->usable = thaw_machine_usable_cores(&f->cores);
	f->cores_of_node = thaw_machine_cores();
	f->cpu_limit = thaw_machine_cpu_limit();
	f->memory = thaw_machine_memory();
	f->memory_available = thaw_machine_memory_available();
}

static double clock_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Reads the clocks after barriers, which all ranks leave at nearly the same time. On a busy node a rank may be late:
 * the smallest difference of several rounds counts. */
static thaw_status compare_clocks(struct thaw_comm *comm, double *ahead)
{
	double mine[ROUNDS], first[ROUNDS];
	for (int i = 0; i < ROUNDS; i++) {
		THAW_TRY(comm->barrier(comm));
		first[i] = mine[i] = clock_seconds();
	}
	THAW_TRY(comm->broadcast(comm, first, sizeof(first), 0));
	*ahead = mine[0] - first[0];
	for (int i = 1; i < ROUNDS; i++)
		if (fabs(mine[i] - first[i]) < fabs(*ahead))
			*ahead = mine[i] - first[i];
	return THAW_OK;
}

static thaw_status try_shared_memory(struct thaw_comm *comm, bool *shares)
{
	void *data = NULL;
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	THAW_TRY(comm->node_alloc(comm, bytes, &data));
	*shares = data;
	comm->node_free(comm, data, bytes);
	return THAW_OK;
}

struct token {
	char path[PATH_MAX]; /* "": rank 0 could not write it */
	char text[TOKEN_SIZE];
};

static void write_token(const char *directory, struct token *t)
{
	snprintf(t->text, sizeof(t->text), "thaw %ld %.9f", (long)getpid(), clock_seconds());
	int length = snprintf(t->path, sizeof(t->path), "%s/.thaw-doctor-XXXXXX", directory);
	int fd = length < (int)sizeof(t->path) ? mkostemp(t->path, O_CLOEXEC) : -1;
	/* Checking permissions would miss a full disk or a read-only mount. */
	if (fd >= 0 && write(fd, t->text, sizeof(t->text)) == (ssize_t)sizeof(t->text) && fsync(fd) == 0) {
		close(fd);
		return;
	}
	if (fd >= 0) {
		close(fd);
		unlink(t->path);
	}
	t->path[0] = '\0';
}

static bool sees_token(const struct token *t)
{
	char text[TOKEN_SIZE];
	int fd = t->path[0] ? open(t->path, O_RDONLY | O_CLOEXEC) : -1;
	bool same = fd >= 0 && read(fd, text, sizeof(text)) == (ssize_t)sizeof(text) &&
		    memcmp(text, t->text, sizeof(text)) == 0;
	if (fd >= 0)
		close(fd);
	return same;
}

static thaw_status compare_directory(struct thaw_comm *comm, const char *directory, bool *sees)
{
	struct token t = {0};
	if (comm->rank == 0)
		write_token(directory, &t);
	THAW_TRY(comm->broadcast(comm, &t, sizeof(t), 0));
	*sees = sees_token(&t);
	THAW_TRY(comm->barrier(comm));
	if (comm->rank == 0 && t.path[0])
		unlink(t.path);
	return THAW_OK;
}

thaw_status rank_facts_find(struct thaw_comm *comm, const char *directory, struct rank_facts *facts)
{
	memset(facts, 0, sizeof(*facts));
	describe_node(facts);
	THAW_TRY(compare_clocks(comm, &facts->clock_ahead));
	THAW_TRY(try_shared_memory(comm, &facts->shares_memory));
	return directory ? compare_directory(comm, directory, &facts->sees_directory) : THAW_OK;
}

thaw_status rank_facts_gather(struct thaw_comm *comm, const struct rank_facts *mine, struct rank_facts **all)
{
	*all = comm->rank == 0 ? thaw_alloc((size_t)comm->size, sizeof(*mine)) : NULL;
	THAW_TRY(thaw_comm_agree(comm, comm->rank != 0 || *all ? THAW_OK : THAW_RESOURCE));
	return comm->gather(comm, mine, sizeof(*mine), *all);
}

int rank_facts_first_of_node(const struct rank_facts *all, int r)
{
	int first = 0;
	while (strcmp(all[first].host, all[r].host) != 0)
		first++;
	return first;
}
