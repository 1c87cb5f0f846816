/* thaw inspect --data: what is found in a dataset. */
#ifndef THAW_SRC_CLI_INSPECT_DATA_H
#define THAW_SRC_CLI_INSPECT_DATA_H

#include <jansson.h>
#include <stdio.h>

#include "thaw/dataset.h"

thaw_status inspect_data(const char *path, const struct thaw_dataset_options *options, json_t **result);
void print_data(const json_t *result, FILE *out);

#endif
