/* The name of the MPI library. */
#ifndef THAW_MPI_VERSION_H
#define THAW_MPI_VERSION_H

#include <stddef.h>

/* "Open MPI v4.1.4, package: ..." in one line, truncated to size. May be called before MPI starts. Returns text.
 */
const char *thaw_mpi_version(char *text, size_t size);

#endif
