#include "src/cli/unknown_names.h"

#include "src/cli/log.h"

void log_unknown_names(const struct thaw_comm *comm, const struct thaw_exclude *exclude)
{
	const char *first;
	int64_t unknown = thaw_exclude_unknown(exclude, &first);
	if (unknown > 0)
		log_line(comm, "note: %lld of the %lld names in %s are not in the data (first: %.400s)",
			 (long long)unknown, (long long)exclude->count, exclude->path, first);
}
