/* Signs of life between ranks: datagrams that a thread of each rank sends and receives, beside MPI.
 *
 * MPI may be used by one thread only, which may be computing, waiting or hanging. So that a process can show that it is
 * alive in all these cases, the thread has its own socket (UDP over IPv4, any free port). Rank 0 exchanges datagrams
 * with every other rank, the others with rank 0 only. A datagram is accepted if it has the job's random token. Where
 * the network lets none through, watch.c has a fallback. */
#ifndef THAW_MPI_BEAT_H
#define THAW_MPI_BEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define THAW_HOST_SIZE     64
#define THAW_MAX_ADDRESSES 6

/* Where a rank can be reached, as the ranks send it to each other. */
struct thaw_place {
	char host[THAW_HOST_SIZE];
	char network[96]; /* equal for ranks that can reach each other by 127.0.0.1 */
	uint32_t address[THAW_MAX_ADDRESSES];
	int32_t addresses;
	uint16_t port; /* as are the addresses, in network byte order; 0: no socket */
};

/* One datagram. */
struct thaw_beat {
	uint64_t token;
	int32_t from, to;
	int32_t end;     /* exit code with which the receiver must end; 0: none */
	int32_t waiting; /* the sender's main thread waits for other ranks */
	uint64_t moved;  /* messages that the main thread has completed */
};

/* Opens a socket and describes where it can be reached. Returns its descriptor, -1 if there is no network. */
int thaw_beat_open(struct thaw_place *here);
/* Sends the datagram from `here` to all addresses of `place`. Failures are ignored: a lost datagram is not an error. */
void thaw_beat_send(int socket, const struct thaw_place *here, const struct thaw_place *place,
		    const struct thaw_beat *beat);
/* Takes the next datagram with this token for rank `to`, without waiting. False: there is none. */
bool thaw_beat_receive(int socket, uint64_t token, int32_t to, struct thaw_beat *beat);

#endif
