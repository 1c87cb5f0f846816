#include "src/base/target.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/open_file.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define MAX_LINKS 40 /* followed from one path, as in Linux */

/* The path that a link leads to, relative to the link's folder. */
static thaw_status read_link(char **next, const char *path)
{
	char text[PATH_MAX];
	ssize_t n = readlink(path, text, sizeof(text) - 1);
	if (n < 0)
		return thaw_fail_io("cannot read the link", path);
	text[n] = '\0';
	const char *slash = text[0] == '/' ? NULL : strrchr(path, '/');
	*next = slash ? thaw_format("%.*s%s", (int)(slash - path) + 1, path, text) : thaw_strdup(text);
	return *next ? THAW_OK : THAW_RESOURCE;
}

/* A link whose target does not exist has no stat, so links are followed one by one. */
static thaw_status follow(char **at)
{
	struct stat s;
	for (int links = 0; lstat(*at, &s) == 0 && S_ISLNK(s.st_mode); links++) {
		char *next;
		if (links == MAX_LINKS)
			return thaw_fail(THAW_IO, "too many links: %s: give the path of a file", *at);
		THAW_TRY(read_link(&next, *at));
		thaw_free(*at);
		*at = next;
	}
	return THAW_OK;
}

thaw_status thaw_path_target(char **target, const char *path)
{
	struct stat s;
	/* stat also resolves links of /proc, such as /dev/stdout, whose text is not a path. */
	if (stat(path, &s) == 0 && !S_ISREG(s.st_mode))
		return thaw_fail(THAW_IO, "cannot write to %s: %s: give the path of a file", thaw_file_kind(s.st_mode),
				 path);
	char *at = thaw_strdup(path);
	thaw_status status = at ? follow(&at) : THAW_RESOURCE;
	if (status != THAW_OK) {
		thaw_free(at);
		return status;
	}
	*target = at;
	return THAW_OK;
}
