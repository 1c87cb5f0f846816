#include "mpi/version.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

const char *thaw_mpi_version(char *text, size_t size)
{
	/* One of the few calls that are allowed before MPI_Init. */
	char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
	int length = 0;
	if (MPI_Get_library_version(library, &length) != MPI_SUCCESS)
		library[0] = '\0';
	snprintf(text, size, "%.*s", (int)strcspn(library, "\n"), *library ? library : "unknown");
	return text;
}
