/* See network_config.h. */
#include "src/model/network_config.h"

#include <string.h>
#include <unistd.h>

#include "thaw/memory.h"
#include "thaw/report.h"

#define MAX_CONFIG ((size_t)64 << 20) /* bytes: the names of classes may be in it */

thaw_status thaw_network_config_read(json_t **config, const char *source)
{
	const char *slash = strrchr(source, '/');
	char *path = thaw_format("%.*sconfig.json", slash ? (int)(slash - source + 1) : 0, source);
	thaw_status status = path ? THAW_OK : THAW_RESOURCE;
	*config = NULL;
	if (path && access(path, F_OK) == 0)
		status = thaw_report_read(config, path, MAX_CONFIG, "repair or remove it");
	thaw_free(path);
	return status;
}
