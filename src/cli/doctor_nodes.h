/* The table of nodes of thaw doctor. */
#ifndef THAW_SRC_CLI_DOCTOR_NODES_H
#define THAW_SRC_CLI_DOCTOR_NODES_H

#include <jansson.h>
#include <stdio.h>

#include "src/cli/rank_facts.h"

/* An array with one object per node, in the order of their first ranks; NULL if out of memory. */
json_t *nodes_json(const struct rank_facts *all, int ranks);

void print_nodes(const json_t *nodes, FILE *out);

#endif
