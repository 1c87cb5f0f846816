/* What the message layer calls itself. */
#ifndef THAW_MPI_VERSION_H
#define THAW_MPI_VERSION_H

#include <stddef.h>

/* "Open MPI v4.1.4, package: ..." in one line, cut to fit. Works whether or not MPI was started. Returns text. */
const char *thaw_mpi_version(char *text, size_t size);

#endif
