#include "src/train/lock_owner.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "src/base/process.h"

/* Replaces what would end a word of the record. */
static void make_word(char *text)
{
	for (char *c = text; *c; c++)
		if (*c <= ' ' || *c > '~')
			*c = '_';
	if (!*text)
		strcpy(text, "-");
}

/* The start time of a process, -1 if there is none. */
static long long start_time(long pid)
{
	struct thaw_process p;
	return thaw_process_find(&p, pid) ? p.started : -1;
}

static void identify_machine(struct lock_owner *o)
{
	char boot[LOCK_NAME_SIZE];
	if (gethostname(o->host, sizeof(o->host) - 1) != 0)
		o->host[0] = '\0';
	make_word(o->host);
	thaw_boot_id(boot, sizeof(boot));
	if (!boot[0])
		snprintf(boot, sizeof(boot), "%s", o->host);
	memcpy(o->boot, boot, sizeof(o->boot));
	make_word(o->boot);
	ssize_t n = readlink("/proc/self/ns/pid", o->pid_ns, sizeof(o->pid_ns) - 1);
	o->pid_ns[n > 0 ? n : 0] = '\0';
	make_word(o->pid_ns);
}

struct lock_owner lock_owner_self(bool lease)
{
	struct lock_owner o = {.pid = (long)getpid(), .lease = lease};
	o.started = start_time(o.pid);
	identify_machine(&o);
	while (o.token == 0)
		if (getrandom(&o.token, sizeof(o.token), 0) != sizeof(o.token))
			o.token = (uint64_t)o.pid << 32 ^ (uint64_t)o.started;
	return o;
}

bool lock_owner_read(struct lock_owner *owner, int fd)
{
	char text[LOCK_RECORD_SIZE + 1];
	ssize_t n;
	do {
		n = pread(fd, text, LOCK_RECORD_SIZE, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return false;
	text[n] = '\0';
	struct lock_owner o = {0};
	char kind[8];
	int words = sscanf(text, "thaw %16" SCNx64 " %" SCNu64 " %64s %64s %64s %ld %lld %7s", &o.token, &o.beat,
			   o.host, o.boot, o.pid_ns, &o.pid, &o.started, kind);
	o.lease = words == 8 && strcmp(kind, "lease") == 0;
	*owner = words == 8 ? o : (struct lock_owner){0};
	return true;
}

bool lock_owner_write(const struct lock_owner *o, int fd)
{
	char text[LOCK_RECORD_SIZE + 1];
	int used = snprintf(text, sizeof(text), "thaw %" PRIx64 " %" PRIu64 " %s %s %s %ld %lld %s", o->token, o->beat,
			    o->host, o->boot, o->pid_ns, o->pid, o->started, o->lease ? "lease" : "lock");
	memset(text + used, ' ', LOCK_RECORD_SIZE - (size_t)used);
	text[LOCK_RECORD_SIZE - 1] = '\n';
	ssize_t n;
	do {
		n = pwrite(fd, text, LOCK_RECORD_SIZE, 0);
	} while (n < 0 && errno == EINTR);
	if (n >= 0 && n < LOCK_RECORD_SIZE)
		errno = ENOSPC;
	return n == LOCK_RECORD_SIZE && fdatasync(fd) == 0; /* a network file system sends it to the server now */
}

enum lock_life lock_owner_life(const struct lock_owner *owner)
{
	const struct lock_owner self = lock_owner_self(false);
	if (owner->token == 0)
		return LOCK_DEAD;
	if (strcmp(owner->boot, self.boot) != 0 || strcmp(owner->pid_ns, self.pid_ns) != 0)
		return LOCK_UNKNOWN;
	return start_time(owner->pid) == owner->started ? LOCK_ALIVE : LOCK_DEAD;
}
