/* See network_config.h. */
#include "src/model/network_config.h"

#include <string.h>
#include <unistd.h>

#include "thaw/memory.h"

thaw_status thaw_network_config_read(json_t **config, const char *source)
{
	const char *slash = strrchr(source, '/');
	char *path = thaw_format("%.*sconfig.json", slash ? (int)(slash - source + 1) : 0, source);
	if (!path)
		return THAW_RESOURCE;
	*config = access(path, R_OK) == 0 ? json_load_file(path, 0, NULL) : NULL;
	thaw_free(path);
	return THAW_OK;
}
