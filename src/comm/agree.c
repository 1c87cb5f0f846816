/* Agreement of the ranks: on a failure, and on equal settings.
 *
 * Each decision is a maximum over the ranks of a number that encodes the reason and the rank. Texts are sent only when
 * there is something to report. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/comm.h"
#include "thaw/memory.h"

#define MESSAGE_SIZE 1024 /* bytes, as error.h says */
#define QUOTED       200  /* characters of a text that a message quotes */

thaw_status thaw_comm_agree(struct thaw_comm *comm, thaw_status status)
{
	/* The largest status wins; among equal ones, the lowest rank. vote[1]: some rank succeeded. If none did, naming
	 * one rank would mislead. */
	int64_t vote[2] = {(int64_t)status << 32 | (comm->size - comm->rank), status == THAW_OK};
	THAW_TRY(comm->max(comm, vote, 2));
	thaw_status agreed = (thaw_status)(vote[0] >> 32);
	if (agreed == THAW_OK)
		return THAW_OK;

	int reporter = comm->size - (int)(vote[0] & INT32_MAX);
	char message[MESSAGE_SIZE];
	snprintf(message, sizeof(message), "%s", thaw_error_message());
	THAW_TRY(comm->broadcast(comm, message, sizeof(message), reporter));
	if (vote[1])
		return thaw_fail(agreed, "rank %d: %s", reporter, message);
	return thaw_fail(agreed, "%s", message);
}

/* Copies root's text to all ranks, in memory from thaw_alloc; *copy may be set also after a failure. Collective. */
static thaw_status broadcast_text(struct thaw_comm *comm, const char *text, int root, char **copy)
{
	uint64_t size = strlen(text) + 1;
	THAW_TRY(comm->broadcast(comm, &size, sizeof(size), root));
	*copy = thaw_alloc(size, 1);
	THAW_TRY(thaw_comm_agree(comm, *copy ? THAW_OK : THAW_RESOURCE));
	if (comm->rank == root)
		memcpy(*copy, text, size);
	return comm->broadcast(comm, *copy, size, root);
}

thaw_status thaw_comm_same(struct thaw_comm *comm, const char *text, const char *what, const char *remedy)
{
	char *first = NULL, *other = NULL;
	thaw_status status;
	THAW_TRY_OUT(broadcast_text(comm, text, 0, &first));
	int64_t vote = strcmp(text, first) == 0 ? 0 : comm->size - comm->rank;
	THAW_TRY_OUT(comm->max(comm, &vote, 1));
	if (vote == 0)
		goto out;
	int rank = comm->size - (int)vote;
	THAW_TRY_OUT(broadcast_text(comm, text, rank, &other));
	status = thaw_fail(THAW_CONFIG, "%s differs: rank 0 has \"%.*s\", rank %d has \"%.*s\": %s", what, QUOTED,
			   first, rank, QUOTED, other, remedy);
out:
	thaw_free(first);
	thaw_free(other);
	return status;
}

thaw_status thaw_comm_same_digest(struct thaw_comm *comm, uint64_t digest, const char *what, const char *remedy)
{
	char text[17]; /* 16 hex digits and the terminator */
	snprintf(text, sizeof(text), "%016" PRIx64, digest);
	return thaw_comm_same(comm, text, what, remedy);
}
