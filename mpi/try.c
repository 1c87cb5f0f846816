#include "mpi/try.h"

#include <string.h>

thaw_status thaw_mpi_failed(int error, const char *call)
{
	char text[MPI_MAX_ERROR_STRING] = "";
	int length = 0;
	if (MPI_Error_string(error, text, &length) != MPI_SUCCESS)
		text[0] = '\0';
	return thaw_fail(THAW_RESOURCE, "MPI failed: %.*s: %s (%d): see the log of the job", (int)strcspn(call, "("),
			 call, text[0] ? text : "no error text", error);
}
