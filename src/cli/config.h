/* Configuration files: a flat YAML mapping of flag names to values. */
#ifndef THAW_SRC_CLI_CONFIG_H
#define THAW_SRC_CLI_CONFIG_H

#include "thaw/error.h"

struct config_entry {
	char *key, *value;
	int line; /* from 1; 0: not known */
};

struct config {
	char *path;
	struct config_entry *entries;
	int count;
};

/* Reads the file. THAW_IO when it cannot be read; THAW_CONFIG, with the line, when it is no flat
 * mapping of words to values or says one thing twice. */
thaw_status config_read(struct config **config, const char *path);
void config_free(struct config *config); /* NULL is fine */

#endif
