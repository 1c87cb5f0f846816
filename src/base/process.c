#include "src/base/process.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STAT_SIZE 1024 /* of /proc/PID/stat */

/* Reads a short file as text; "" if it cannot be read. */
static void read_text(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, size - 1) : -1;
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
}

bool thaw_process_find(struct thaw_process *p, long pid)
{
	char path[64], text[STAT_SIZE];
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	read_text(path, text, sizeof(text));
	/* The second field is the name in parentheses, which may contain anything. Fields 4 and 22 are wanted. */
	const char *after = strrchr(text, ')');
	return after &&
	       sscanf(after + 1, " %*c %ld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld",
		      &p->parent, &p->started) == 2;
}

void thaw_boot_id(char *text, size_t size)
{
	read_text("/proc/sys/kernel/random/boot_id", text, size);
	text[strcspn(text, "\n")] = '\0';
}
