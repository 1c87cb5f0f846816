/* Paths of files. */
#include "src/base/path.h"

#include <sys/stat.h>

#include "thaw/memory.h"

char *thaw_path_join(const char *folder, const char *file)
{
	return thaw_format("%s/%s", folder, file);
}

bool thaw_path_is_file(const char *path)
{
	struct stat s;
	return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}
