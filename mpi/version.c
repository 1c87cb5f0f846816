/* What the message layer calls itself: one of the few calls that MPI allows before its start. */
#include "mpi/version.h"

#include <mpi.h>
#include <stdio.h>
#include <string.h>

const char *thaw_mpi_version(char *text, size_t size)
{
	char library[MPI_MAX_LIBRARY_VERSION_STRING] = "";
	int length = 0;
	if (MPI_Get_library_version(library, &length) != MPI_SUCCESS)
		library[0] = '\0';
	snprintf(text, size, "%.*s", (int)strcspn(library, "\n"), *library ? library : "unknown");
	return text;
}
