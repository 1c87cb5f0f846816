/* Memory shared by the ranks of a node, without a file.
 *
 * The node's first rank creates a memfd, and the others open it as /proc/PID/fd/FD. MPI_Win_allocate_shared is not
 * used: Open MPI 4.1 needs a file in /dev/shm for it, which in containers has 64 MB; when it is full the first rank's
 * call fails and the others block forever (tested). A memfd has no such limit. fallocate reserves all memory at once,
 * so that a lack of it is an error here and not a signal at a later write. A killed rank leaves nothing behind, and a
 * rank releases its mapping without the others.
 *
 * Ranks in separate containers of one machine may be in separate PID namespaces. The path may then be a file of an
 * unrelated process: it is opened with O_NONBLOCK (it may be a FIFO) and O_NOCTTY, and its device and inode are
 * compared with those of the memfd. */
#include "mpi/node_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mpi/try.h"
#include "src/base/minmax.h"
#include "src/base/try.h"

#define PATH_BYTES   64
#define REASON_BYTES 1024 /* as error.h says */

/* Broadcast by the first rank as bytes. */
struct offer {
	int64_t pid, fd; /* fd < 0: the first rank failed */
	uint64_t device, inode;
};

static thaw_status failed(const char *what)
{
	return thaw_fail(THAW_RESOURCE, "cannot share memory among the ranks of this node: %s: %s", what,
			 strerror(errno));
}

static thaw_status map(int fd, size_t bytes, int protection, void **data)
{
	void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return failed("mmap");
	*data = mapped;
	return THAW_OK;
}

/* On the first rank. The caller closes *fd once the others have opened it, also after a failure, unless it is -1. */
static thaw_status create_memory(size_t bytes, int *fd, void **data, struct offer *offer)
{
	struct stat made;
	*fd = memfd_create("thaw", MFD_CLOEXEC);
	if (*fd < 0)
		return failed("memfd_create");
	if (ftruncate(*fd, (off_t)bytes) != 0 || (errno = posix_fallocate(*fd, 0, (off_t)bytes)) != 0)
		return failed("fallocate");
	if (fstat(*fd, &made) != 0)
		return failed("fstat");
	THAW_TRY(map(*fd, bytes, PROT_READ | PROT_WRITE, data));
	*offer = (struct offer){getpid(), *fd, made.st_dev, made.st_ino};
	return THAW_OK;
}

/* On the other ranks. */
static thaw_status open_memory(const struct offer *offer, size_t bytes, void **data)
{
	char path[PATH_BYTES];
	struct stat found;
	if (offer->fd < 0)
		return thaw_fail(THAW_RESOURCE,
				 "cannot share memory among the ranks of this node: its first rank failed");
	snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", (long long)offer->pid, (long long)offer->fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return failed(path);
	thaw_status status = THAW_OK;
	if (fstat(fd, &found) != 0)
		status = failed(path);
	else if (found.st_dev != offer->device || found.st_ino != offer->inode)
		status = thaw_fail(THAW_RESOURCE,
				   "cannot share memory among the ranks of this node: %s belongs to another process",
				   path);
	else
		status = map(fd, bytes, PROT_READ, data);
	close(fd);
	return status;
}

/* *all: whether all ranks of the node succeeded. If not, the message of the lowest rank that failed is recorded on all.
 */
static thaw_status agree(MPI_Comm node, struct thaw_watch *watch, thaw_status mine, bool *all)
{
	int rank = 0, size = 0;
	char reason[REASON_BYTES];
	MPI_Request request;
	MPI_TRY(MPI_Comm_rank(node, &rank));
	MPI_TRY(MPI_Comm_size(node, &size));
	int vote = mine == THAW_OK ? 0 : size - rank; /* the lowest rank has the largest vote */
	MPI_TRY(MPI_Iallreduce(MPI_IN_PLACE, &vote, 1, MPI_INT, MPI_MAX, node, &request));
	THAW_TRY(thaw_watch_wait(watch, &request));
	*all = vote == 0;
	if (*all)
		return THAW_OK;
	snprintf(reason, sizeof(reason), "%s", thaw_error_message());
	MPI_TRY(MPI_Ibcast(reason, sizeof(reason), MPI_CHAR, size - vote, node, &request));
	THAW_TRY(thaw_watch_wait(watch, &request));
	thaw_fail(THAW_RESOURCE, "%s", reason);
	return THAW_OK;
}

/* Fails only when MPI does; *all as in agree. *data and *fd are set also after a failure. */
static thaw_status share(MPI_Comm node, struct thaw_watch *watch, size_t bytes, void **data, int *fd, bool *all)
{
	struct offer offer = {.fd = -1};
	int rank = 0;
	MPI_Request request;
	MPI_TRY(MPI_Comm_rank(node, &rank));
	thaw_status mine = rank == 0 ? create_memory(bytes, fd, data, &offer) : THAW_OK;
	MPI_TRY(MPI_Ibcast(&offer, sizeof(offer), MPI_BYTE, 0, node, &request));
	THAW_TRY(thaw_watch_wait(watch, &request));
	if (rank > 0)
		mine = open_memory(&offer, bytes, data);
	return agree(node, watch, mine, all);
}

thaw_status thaw_node_memory_open(MPI_Comm node, struct thaw_watch *watch, size_t bytes, void **data)
{
	int fd = -1;
	bool all = false;
	void *mine = NULL;
	*data = NULL;
	thaw_status status = share(node, watch, max_size(bytes, 1), &mine, &fd, &all); /* mmap refuses a length of 0 */
	if (fd >= 0)
		close(fd);
	if (status == THAW_OK && all)
		*data = mine;
	else
		thaw_node_memory_close(mine, bytes);
	return status;
}

void thaw_node_memory_close(void *data, size_t bytes)
{
	if (data)
		munmap(data, max_size(bytes, 1));
}
