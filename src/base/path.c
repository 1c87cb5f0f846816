/* Paths of files. */
#include "src/base/path.h"

#include <stdlib.h>
#include <string.h>
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

char *thaw_path_real(const char *folder, const char *file)
{
	char *path = thaw_path_join(folder, file), *real = path ? realpath(path, NULL) : NULL;
	char *copy = real ? thaw_strdup(real) : NULL;
	thaw_free(path);
	free(real);
	return copy;
}

bool thaw_path_is_inside(const char *path, const char *folder)
{
	size_t length = strlen(folder);
	return strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == '\0');
}
