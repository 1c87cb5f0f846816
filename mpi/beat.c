#include "mpi/beat.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/process.h"

/* The addresses of this host that other hosts may reach. */
static void find_addresses(struct thaw_place *here)
{
	struct ifaddrs *all = NULL;
	if (getifaddrs(&all) != 0)
		return;
	for (const struct ifaddrs *i = all; i && here->addresses < THAW_MAX_ADDRESSES; i = i->ifa_next) {
		struct sockaddr_in at;
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || !(i->ifa_flags & IFF_UP) ||
		    (i->ifa_flags & IFF_LOOPBACK))
			continue;
		memcpy(&at, i->ifa_addr, sizeof(at));
		here->address[here->addresses++] = at.sin_addr.s_addr;
	}
	freeifaddrs(all);
}

/* The boot of the machine and its network namespace: two containers of a machine may have separate ones. */
static void find_network(struct thaw_place *here)
{
	char boot[40] = "", space[48] = "";
	thaw_boot_id(boot, sizeof(boot));
	ssize_t length = readlink("/proc/self/ns/net", space, sizeof(space) - 1);
	if (length < 0 || !boot[0])
		return; /* unknown: equal to none */
	snprintf(here->network, sizeof(here->network), "%s %s", boot, space);
}

int thaw_beat_open(struct thaw_place *here)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	socklen_t size = sizeof(any);
	*here = (struct thaw_place){.port = 0};
	gethostname(here->host, sizeof(here->host) - 1);
	find_network(here);
	find_addresses(here);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&any, &size) != 0) {
		close(fd);
		return -1;
	}
	here->port = any.sin_port;
	return fd;
}

static void send_to(int socket, uint32_t address, uint16_t port, const struct thaw_beat *beat)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = address, .sin_port = port};
	(void)sendto(socket, beat, sizeof(*beat), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
}

void thaw_beat_send(int socket, const struct thaw_place *here, const struct thaw_place *place,
		    const struct thaw_beat *beat)
{
	if (socket < 0 || place->port == 0)
		return;
	if (here->network[0] && strcmp(here->network, place->network) == 0) {
		send_to(socket, htonl(INADDR_LOOPBACK), place->port, beat);
		return;
	}
	for (int i = 0; i < place->addresses && i < THAW_MAX_ADDRESSES; i++)
		send_to(socket, place->address[i], place->port, beat);
}

bool thaw_beat_receive(int socket, uint64_t token, int32_t to, struct thaw_beat *beat)
{
	if (socket < 0)
		return false;
	for (;;) {
		ssize_t size = recv(socket, beat, sizeof(*beat), MSG_TRUNC);
		if (size < 0)
			return false;
		if (size == sizeof(*beat) && beat->token == token && beat->to == to)
			return true;
	}
}
