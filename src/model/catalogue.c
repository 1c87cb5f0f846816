/* See thaw/catalogue.h. The table models/networks.tsv is written by tools/catalogue.py: comments, a line of headings, a
 * line per network. */
#include "thaw/catalogue.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/included.h"
#include "thaw/memory.h"

THAW_INCLUDE_FILE(thaw_networks, "models/networks.tsv");

enum { NAME, FAMILY, TOP1, TOP5, SIZE, PARAMETERS, MULTIPLY_ADDS, VALUES, LICENCE, YEAR, COLUMNS };

/* Measured with thaw bench: docs/networks.md has what this predicts beside it. */
#define PRODUCT_SHARE    1.0   /* of the speed of large products */
#define VALUE_SECONDS    2e-10 /* per value */
#define OWN_BYTES        1e8   /* of a rank, for the program and its buffers */
#define PARAMETER_COPIES 3     /* weights, gradients, momentum */
#define VALUE_COPIES     1     /* of all layers: joined layers keep less, gradients take more */

/* The next field of a line; *at is NULL after the last one. */
static char *next_field(char **at)
{
	char *field = *at, *end = field ? strchr(field, '\t') : NULL;
	if (end)
		*end = '\0';
	*at = end ? end + 1 : NULL;
	return field;
}

static thaw_status parse_line(struct thaw_network *n, char *line)
{
	const char *field[COLUMNS];
	for (int i = 0; i < COLUMNS; i++)
		if (!(field[i] = next_field(&line)))
			return thaw_fail(THAW_SOFTWARE, "a line with %d fields: models/networks.tsv: write it again",
					 i);
	n->name = thaw_strdup(field[NAME]);
	n->family = thaw_strdup(field[FAMILY]);
	n->licence = thaw_strdup(field[LICENCE]);
	n->top1 = atof(field[TOP1]);
	n->top5 = atof(field[TOP5]);
	n->size = atoi(field[SIZE]);
	n->parameters = atoll(field[PARAMETERS]);
	n->multiply_adds = atoll(field[MULTIPLY_ADDS]);
	n->values = atoll(field[VALUES]);
	n->year = atoi(field[YEAR]);
	return n->name && n->family && n->licence ? THAW_OK : THAW_RESOURCE;
}

static thaw_status parse(struct thaw_catalogue *c, char *text)
{
	bool headings = true;
	for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		if (*line == '#') {
			if (!c->sources && !(c->sources = thaw_strdup(line + strspn(line, "# "))))
				return THAW_RESOURCE;
		} else if (headings) {
			headings = false;
		} else {
			THAW_TRY(parse_line(&c->networks[c->count++], line));
		}
	}
	return THAW_OK;
}

thaw_status thaw_catalogue_read(struct thaw_catalogue *c)
{
	const size_t size = (size_t)(thaw_networks_end - thaw_networks_begin);
	size_t lines = 0;
	char *text = thaw_alloc(size + 1, 1);
	*c = (struct thaw_catalogue){0};
	if (!text)
		return THAW_RESOURCE;
	memcpy(text, thaw_networks_begin, size);
	for (size_t i = 0; i < size; i++)
		lines += text[i] == '\n';
	c->networks = thaw_alloc(lines + 1, sizeof(*c->networks));
	thaw_status status = c->networks ? parse(c, text) : THAW_RESOURCE;
	thaw_free(text);
	return status;
}

void thaw_catalogue_free(struct thaw_catalogue *c)
{
	for (int i = 0; i < c->count; i++) {
		thaw_free(c->networks[i].name);
		thaw_free(c->networks[i].family);
		thaw_free(c->networks[i].licence);
	}
	thaw_free(c->networks);
	thaw_free(c->sources);
	*c = (struct thaw_catalogue){0};
}

double thaw_network_seconds(const struct thaw_network *n, double gflops)
{
	return 2 * (double)n->multiply_adds / (PRODUCT_SHARE * gflops * 1e9) + (double)n->values * VALUE_SECONDS;
}

double thaw_network_bytes(const struct thaw_network *n, int images)
{
	const double values = (double)n->values * images * VALUE_COPIES;
	return OWN_BYTES + ((double)n->parameters * PARAMETER_COPIES + values) * sizeof(float);
}
