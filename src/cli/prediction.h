/* What a network says of one image, by its task. */
#ifndef THAW_SRC_CLI_PREDICTION_H
#define THAW_SRC_CLI_PREDICTION_H

#include <jansson.h>
#include <stdio.h>

#include "thaw/model.h"

/* Working memory for the predictions of a network. */
struct prediction {
	const struct thaw_model *model;
	float *probability; /* [classes] */
	int *order;         /* [classes], classes by falling probability */
};

thaw_status prediction_open(struct prediction *p, const struct thaw_model *model);
void prediction_close(struct prediction *p); /* zeroed is fine */

/* {"image": path, ...} of the network's outputs [thaw_model_outputs]. "predictions" [{"class", "label", "probability"}]
 * has the `top` most probable classes or grades, or all labels above their thresholds. "grade" is the predicted grade;
 * "values" {name: number} replaces them for a network that predicts numbers. NULL if out of memory. */
json_t *prediction_json(struct prediction *p, const char *path, const float *outputs, int top);

/* Prints such an object. */
void prediction_print(const json_t *image, FILE *out);

#endif
