/* Processes of this machine, from /proc. */
#ifndef THAW_SRC_BASE_PROCESS_H
#define THAW_SRC_BASE_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

struct thaw_process {
	long parent;
	long long
		started; /* clock ticks since the boot; a later process may have the same id, but not the same start */
};

/* False if there is no such process or it cannot be read. */
bool thaw_process_find(struct thaw_process *process, long pid);

/* Writes what identifies this boot of the machine; "" if that is unknown. */
void thaw_boot_id(char *text, size_t size);

#endif
