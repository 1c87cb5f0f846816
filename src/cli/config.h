/* Configuration files: a flat YAML mapping of flag names to values or lists of values. */
#ifndef THAW_SRC_CLI_CONFIG_H
#define THAW_SRC_CLI_CONFIG_H

#include <stdbool.h>

#include "thaw/error.h"

struct config_entry {
	char *key, *value; /* the value of a list: its items, separated by commas */
	bool list;
	int line; /* from 1; 0: unknown */
};

struct config {
	char *path;
	struct config_entry *entries;
	int count;
};

/* Reads the file. THAW_IO if it cannot be read; THAW_CONFIG, with the line number, if it is not a flat mapping of names
 * to scalar values and lists of them, or has a duplicate key. Free with config_free. */
thaw_status config_read(struct config **config, const char *path);
void config_free(struct config *config); /* NULL is fine */

#endif
