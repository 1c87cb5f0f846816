/* MPI errors as thaw_status. */
#ifndef MPI_TRY_H
#define MPI_TRY_H

#include <mpi.h>

#include "thaw/error.h"

/* THAW_RESOURCE, with a message made of the failed call, "MPI_Bcast(...)", and MPI's text for `error`. */
thaw_status thaw_mpi_failed(int error, const char *call);

/* Returns from the calling function unless the MPI call succeeds. */
#define MPI_TRY(call)                                              \
	do {                                                       \
		int mpi_error_ = (call);                           \
		if (mpi_error_ != MPI_SUCCESS)                     \
			return thaw_mpi_failed(mpi_error_, #call); \
	} while (0)

#endif
