/* Memory that the ranks of a node hold together, without a file.
 *
 * The first rank makes a memfd, and the others open it as /proc/PID/fd/FD. Not by MPI_Win_allocate_shared: that of Open
 * MPI 4.1 wants a file in /dev/shm, of which containers have 64 MB; where there is no room for it the first rank's call
 * fails and the others wait in theirs for ever, as tried. A memfd has no such bound. fallocate fetches all of it at
 * once, so that a machine which has not so much says it here and not by a signal at some later write. Nothing stays
 * behind a rank that is killed, and to let go of it takes no other rank.
 *
 * Ranks of one machine in containers of their own may have other process numbers, and the path then leads to whatever
 * file another process has: it is opened without waiting (a FIFO would) and without taking over a terminal, and held
 * against device and inode of the one that was made. */
#include "mpi/node_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES   64
#define REASON_BYTES 1024 /* as error.h says */

/* What the first rank tells the others; plain bytes. */
struct offer {
	int64_t pid, fd; /* fd < 0: nothing is offered */
	uint64_t device, inode;
};

static thaw_status refused(const char *what)
{
	return thaw_fail(THAW_RESOURCE, "no memory that the ranks of this node share: %s: %s", what, strerror(errno));
}

static thaw_status map(int fd, size_t bytes, int protection, void **data)
{
	void *mapped = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
	if (mapped == MAP_FAILED)
		return refused("mmap");
	*data = mapped;
	return THAW_OK;
}

/* First rank: *fd is to be closed once the others have opened it; also after a failure, unless -1. */
static thaw_status make(size_t bytes, int *fd, void **data, struct offer *offer)
{
	struct stat made;
	*fd = memfd_create("thaw", MFD_CLOEXEC);
	if (*fd < 0)
		return refused("memfd_create");
	if (ftruncate(*fd, (off_t)bytes) != 0 || (errno = posix_fallocate(*fd, 0, (off_t)bytes)) != 0)
		return refused("fallocate");
	if (fstat(*fd, &made) != 0)
		return refused("fstat");
	THAW_TRY(map(*fd, bytes, PROT_READ | PROT_WRITE, data));
	*offer = (struct offer){getpid(), *fd, made.st_dev, made.st_ino};
	return THAW_OK;
}

/* The others. */
static thaw_status find(const struct offer *offer, size_t bytes, void **data)
{
	char path[PATH_BYTES];
	struct stat found;
	if (offer->fd < 0)
		return thaw_fail(THAW_RESOURCE, "no memory that the ranks of this node share: its first rank has none");
	snprintf(path, sizeof(path), "/proc/%lld/fd/%lld", (long long)offer->pid, (long long)offer->fd);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return refused(path);
	thaw_status status = THAW_OK;
	if (fstat(fd, &found) != 0)
		status = refused(path);
	else if (found.st_dev != offer->device || found.st_ino != offer->inode)
		status = thaw_fail(THAW_RESOURCE,
				   "no memory that the ranks of this node share: %s is another process's", path);
	else
		status = map(fd, bytes, PROT_READ, data);
	close(fd);
	return status;
}

static thaw_status mpi_failed(const char *call)
{
	return thaw_fail(THAW_RESOURCE, "the message layer failed: %s: see the log of the job", call);
}

/* 0 when every rank of the node has it; else the one to tell why, the first that has not, as its distance from the
 * end, and its reason is recorded on all. */
static thaw_status agree(MPI_Comm node, thaw_status had, int *teller)
{
	int rank = 0, size = 0;
	char reason[REASON_BYTES];
	if (MPI_Comm_rank(node, &rank) != MPI_SUCCESS || MPI_Comm_size(node, &size) != MPI_SUCCESS)
		return mpi_failed("MPI_Comm_rank");
	*teller = had == THAW_OK ? 0 : size - rank;
	if (MPI_Allreduce(MPI_IN_PLACE, teller, 1, MPI_INT, MPI_MAX, node) != MPI_SUCCESS)
		return mpi_failed("MPI_Allreduce");
	if (*teller == 0)
		return THAW_OK;
	snprintf(reason, sizeof(reason), "%s", thaw_error_message());
	if (MPI_Bcast(reason, sizeof(reason), MPI_CHAR, size - *teller, node) != MPI_SUCCESS)
		return mpi_failed("MPI_Bcast");
	thaw_fail(THAW_RESOURCE, "%s", reason);
	return THAW_OK;
}

thaw_status thaw_node_memory_open(MPI_Comm node, size_t bytes, void **data)
{
	struct offer offer = {.fd = -1};
	int fd = -1, rank = 0, teller = 0;
	void *mine = NULL;
	size_t mapped = bytes ? bytes : 1; /* mmap refuses nothing at all */
	*data = NULL;
	if (MPI_Comm_rank(node, &rank) != MPI_SUCCESS)
		return mpi_failed("MPI_Comm_rank");
	thaw_status had = rank == 0 ? make(mapped, &fd, &mine, &offer) : THAW_OK;
	thaw_status status =
		MPI_Bcast(&offer, sizeof(offer), MPI_BYTE, 0, node) == MPI_SUCCESS ? THAW_OK : mpi_failed("MPI_Bcast");
	if (status == THAW_OK && rank > 0)
		had = find(&offer, mapped, &mine);
	if (status == THAW_OK)
		status = agree(node, had, &teller);
	if (fd >= 0)
		close(fd);
	if (status == THAW_OK && teller == 0)
		*data = mine;
	else
		thaw_node_memory_close(mine, bytes);
	return status;
}

void thaw_node_memory_close(void *data, size_t bytes)
{
	if (data)
		munmap(data, bytes ? bytes : 1);
}
