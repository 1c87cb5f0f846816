/* Option tables: one per command; everything about its flags is derived from it.
 *
 * An entry has the name of the flag, the offset of its value in the command's structure and the allowed values.
 * Parsing, the environment (--layer-decay is THAW_LAYER_DECAY), the keys of a --config file and of a --plan, --help and
 * the list of resolved values all use this table. */
#ifndef THAW_SRC_CLI_OPTION_H
#define THAW_SRC_CLI_OPTION_H

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
	const char *metavar; /* name of the value in --help; NULL for OPTION_FLAG */
	enum option_type type;
	size_t offset;       /* of the value in the command's structure */
	const char *section; /* heading in --help; options of one section are adjacent */
	const char *help;    /* one phrase */
	double min, max;     /* numbers: the range, both ends included; max INFINITY: no upper limit */
	const char *choices; /* text: the allowed words, "sgd|adamw"; NULL: any text */
	/* Further checks of a text; NULL: none. `place`: the option and its value as the user wrote them. */
	thaw_status (*check)(const char *text, const char *place);
	const char *absent; /* describes the default where its value alone would not explain it */
	/* The default in effect, given the values of the other options, as text in text[size]. NULL: `absent`. */
	const char *(*resolved)(const void *values, char *text, size_t size);
	bool required;
	const char *unless; /* of a required option: another one that may be given instead; NULL: none */
	bool list; /* the text may be several values separated by commas; a configuration file may have them as a list
		    */
};

/* Every command's structure starts with this, and its table ends with COMMON_OPTIONS. */
struct common {
	bool help, json;
	const char *config;
	int threads;
	double timeout; /* negative: not given */
};

/* Prints the flags by section. `values` holds the defaults. */
void options_help(const struct option *options, const void *values, FILE *out);

#endif
