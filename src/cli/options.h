/* Options: one table per command, from which everything about its flags follows.
 *
 * An entry names the flag, says where its value lies in the command's structure, and what values are
 * allowed. Parsing, the environment (--layer-decay is THAW_LAYER_DECAY), the keys of a --config file and of a
 * --plan, --help and the list of resolved values all read this table; there is no second place to keep in step.
 * Precedence: flags, then the environment, then --config, then --plan (of commands that have it), then the defaults
 * already in the structure.
 */
#ifndef THAW_SRC_CLI_OPTIONS_H
#define THAW_SRC_CLI_OPTIONS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "thaw/error.h"

enum option_type {
	OPTION_FLAG,     /* bool */
	OPTION_TEXT,     /* const char * */
	OPTION_INT,      /* int */
	OPTION_LONG,     /* long long */
	OPTION_REAL,     /* double */
	OPTION_INTERVAL, /* struct interval: "500" is steps, "600s" is seconds */
};

struct interval {
	long long steps;
	double seconds;
};

struct option {
	const char *name;    /* "layer-decay"; NULL ends a table */
	const char *metavar; /* what --help calls the value; NULL for OPTION_FLAG */
	enum option_type type;
	size_t offset;       /* of the value in the command's structure */
	const char *section; /* heading in --help; options of one section stand together */
	const char *help;    /* one phrase */
	double min, max;     /* numbers: the ends of the range, both allowed; max INFINITY: none */
	const char *choices; /* text: the allowed words, "sgd|adamw"; NULL: any text */
	const char *absent;  /* what the default means when its value alone does not tell */
	bool required;
};

/* Every command's structure starts with this, and its table ends with COMMON_OPTIONS. */
struct common {
	bool help, json;
	const char *config;
	int threads;
};

#define COMMON_SECTION "Common"
#define COMMON_OPTIONS                                                                       \
	{.name = "threads",                                                                  \
	 .metavar = "N",                                                                     \
	 .type = OPTION_INT,                                                                 \
	 .offset = offsetof(struct common, threads),                                         \
	 .section = COMMON_SECTION,                                                          \
	 .help = "BLAS threads per rank; 1 suits one rank per core; a run keeps its number", \
	 .min = 1,                                                                           \
	 .max = 1024},                                                                       \
		{.name = "config",                                                           \
		 .metavar = "FILE",                                                          \
		 .type = OPTION_TEXT,                                                        \
		 .offset = offsetof(struct common, config),                                  \
		 .section = COMMON_SECTION,                                                  \
		 .help = "YAML file of flag names and values",                               \
		 .absent = "none"},                                                          \
		{.name = "json",                                                             \
		 .type = OPTION_FLAG,                                                        \
		 .offset = offsetof(struct common, json),                                    \
		 .section = COMMON_SECTION,                                                  \
		 .help = "print the result as one JSON object"},                             \
		{.name = "help",                                                             \
		 .type = OPTION_FLAG,                                                        \
		 .offset = offsetof(struct common, help),                                    \
		 .section = COMMON_SECTION,                                                  \
		 .help = "print this text"},                                                 \
	{                                                                                    \
		.name = NULL                                                                 \
	}

enum setting_source { FROM_DEFAULT, FROM_FILE, FROM_ENVIRONMENT, FROM_FLAG };

/* How one option got its value. */
struct setting {
	enum setting_source source;
	const char *text;          /* as given; NULL for FROM_DEFAULT */
	const struct config *file; /* FROM_FILE */
	int line;                  /* FROM_FILE; 0 where it is not known */
};

#define SETTINGS_FILES 2 /* kinds of files that give values */

/* A command line as resolved. */
struct settings {
	const struct option *options;
	void *values;                  /* the command's structure */
	const struct setting *setting; /* one per option; NULL before settings_resolve */
	char **arguments;              /* those that are no flags, in order */
	int argument_count;
	struct config *files[SETTINGS_FILES]; /* own the texts of values; NULL: not given */
};

/* Resolves argv[0 .. argc) into `values`, which holds the defaults. Reads the environment and the files of
 * --config and --plan. With --help among the flags, nothing else is looked at. Texts in `values` point into argv,
 * the environment or `s`, and live until settings_free. THAW_USAGE, or THAW_CONFIG for a file. */
thaw_status settings_resolve(struct settings *s, const struct option *options, void *values, int argc, char **argv);
void settings_free(struct settings *s); /* zeroed is fine */

/* Prints the value of every option and where it came from, defaults last and in short. */
void settings_print(const struct settings *s, FILE *out);

/* Prints the flags by section, with what --help says of each. `values` holds the defaults. */
void options_help(const struct option *options, const void *values, FILE *out);

#endif
