/* thaw predict --out: predictions of many images, by all ranks, to one file. */
#ifndef THAW_SRC_CLI_PREDICT_FILE_H
#define THAW_SRC_CLI_PREDICT_FILE_H

#include <jansson.h>
#include <stdio.h>

#include "src/cli/network.h"
#include "thaw/dataset.h"

/* The flags that say which images, and where to. */
struct predict_file {
	const char *out, *data, *split, *list;
	struct thaw_manifest_options manifest;
};

/* Writes what the network says of each image, with the `top` most probable classes, in the order of the images. Images
 * that cannot be used have a line with the reason, and determine the status, as without --out. *result, on rank 0: out,
 * images, failed, continued_at. Collective. */
thaw_status predict_to_file(struct session *session, const struct predict_file *file,
			    const struct network_choice *network, const char *precision, int top, json_t **result);

/* Prints such a result. */
void print_predicted_file(const json_t *result, FILE *out);

#endif
