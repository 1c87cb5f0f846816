/* What this machine is, as the operating system tells it. */
#ifndef THAW_SRC_BASE_MACHINE_H
#define THAW_SRC_BASE_MACHINE_H

#include <sched.h>
#include <stddef.h>

/* The processor's name; "unknown" when the system does not tell. Returns text. */
const char *thaw_machine_cpu(char *text, size_t size);
/* Vector extensions that count for this program, "avx2 fma avx512f". Returns text. */
const char *thaw_machine_vectors(char *text, size_t size);

/* Cores that exist, and those that this process may use (*mask may be NULL). */
int thaw_machine_cores(void);
int thaw_machine_usable_cores(cpu_set_t *mask);

/* Bytes of memory in all and available now; 0: unknown. */
double thaw_machine_memory(void);
double thaw_machine_memory_available(void);

/* The tightest limits of the control groups that this process is in; 0: none. */
double thaw_machine_memory_limit(void); /* bytes */
double thaw_machine_cpu_limit(void);    /* cores */

#endif
