/* Properties of this machine, as the operating system reports them. */
#ifndef THAW_SRC_BASE_MACHINE_H
#define THAW_SRC_BASE_MACHINE_H

#include <sched.h>
#include <stddef.h>

/* The processor's name, or "unknown". Returns text. */
const char *thaw_machine_cpu(char *text, size_t size);
/* The vector extensions that this program can use, "avx2 fma avx512f". Returns text. */
const char *thaw_machine_vectors(char *text, size_t size);

/* Cores of the machine, and cores that this process may use (mask may be NULL). */
int thaw_machine_cores(void);
int thaw_machine_usable_cores(cpu_set_t *mask);

/* Bytes of total and of available memory; 0: unknown. */
double thaw_machine_memory(void);
double thaw_machine_memory_available(void);

/* Bytes that this process can still allocate: available memory, and what its control groups leave of their limits; 0:
 * unknown. */
double thaw_machine_memory_room(void);

/* The smallest limits of the control groups of this process; 0: none. */
double thaw_machine_memory_limit(void); /* bytes */
double thaw_machine_cpu_limit(void);    /* cores */

#endif
