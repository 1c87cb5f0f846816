/* Values of a command's options, resolved from flags, the environment and files.
 *
 * Precedence: flags, the environment, --config, --plan (for commands that have it), the defaults in the structure. */
#ifndef THAW_SRC_CLI_SETTINGS_H
#define THAW_SRC_CLI_SETTINGS_H

#include "src/cli/config.h"
#include "src/cli/option.h"

enum setting_source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

/* How one option got its value. */
struct setting {
	enum setting_source source;
	const char *text;          /* as given; NULL for FROM_DEFAULT */
	const struct config *file; /* FROM_FILE */
	int line;                  /* FROM_FILE; 0 if unknown */
};

#define SETTINGS_FILES 2 /* options that name a file of values: --config and --plan */

/* A resolved command line. */
struct settings {
	const struct option *options;
	void *values;            /* the command's structure */
	struct setting *setting; /* one per option; NULL before settings_resolve */
	char **arguments;        /* arguments that are not flags, in order */
	int argument_count;
	struct config *files[SETTINGS_FILES]; /* own the texts of their values; NULL: not given */
};

/* Resolves argv[0 .. argc) into `values`, which holds the defaults. Reads the environment and the files of --config and
 * --plan, unless --help is among the flags. Texts in `values` point into argv, the environment or `s`, and are valid
 * until settings_free. THAW_USAGE for flags and variables, THAW_CONFIG for a file. */
thaw_status settings_resolve(struct settings *s, const struct option *options, void *values, int argc, char **argv);
void settings_free(struct settings *s); /* zeroed is fine */

/* Prints each option that was given, with its value and where the value came from, then the defaults that are
 * values. */
void settings_print(const struct settings *s, FILE *out);

#endif
