/* "Did you mean": the nearest of several words, by what the field calls the same thing and by spelling. */
#ifndef THAW_SRC_CLI_SUGGEST_H
#define THAW_SRC_CLI_SUGGEST_H

#include <stddef.h>

#include "thaw/error.h"

/* The nearest candidate so far. Start from a zeroed structure. */
struct suggestion {
	const char *word; /* NULL: no candidate was near enough */
	size_t distance;
};

/* Compares `word` with a candidate (a flag without dashes, or a command), and keeps the candidate if it is the nearest
 * so far. The distance is 0 if other programs use `word` for the same thing, 1 if the candidate begins with `word`,
 * else the edit distance, of at most a third of the longer word (rounded up). Case, dashes and underscores do not
 * count. */
void suggest(struct suggestion *s, const char *word, const char *candidate);

/* THAW_USAGE, with the nearest spelling, unless the value of --unfreeze has one of the forms head, last:N, from:BLOCK
 * and all; `place` is quoted. Whether the network has the block is known only later. */
thaw_status suggest_unfreeze(const char *value, const char *place);

#endif
