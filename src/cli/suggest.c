/* The nearest word by edit distance; a swap of two adjacent letters counts as one edit. */
#include "src/cli/suggest.h"

#include <string.h>

#include "src/base/minmax.h"

#define LONGEST 31 /* letters; longer words are not compared */

/* Optimal string alignment: insertions, deletions, replacements and swaps of adjacent letters. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t d[LONGEST + 1][LONGEST + 1];
	for (size_t i = 0; i <= a_length; i++) {
		for (size_t j = 0; j <= b_length; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = i + j;
				continue;
			}
			size_t cost = a[i - 1] != b[j - 1];
			d[i][j] = min_size(min_size(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = min_size(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[a_length][b_length];
}

void suggest(struct suggestion *s, const char *word, const char *candidate)
{
	size_t a = strlen(word), b = strlen(candidate), longer = max_size(a, b);
	if (longer > LONGEST || longer == 0)
		return;
	size_t d = distance(word, a, candidate, b);
	if (d <= (longer + 2) / 3 && (!s->word || d < s->distance))
		*s = (struct suggestion){candidate, d};
}
