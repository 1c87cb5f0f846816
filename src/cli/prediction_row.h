/* Predictions as lines of a file: CSV or JSON lines. */
#ifndef THAW_SRC_CLI_PREDICTION_ROW_H
#define THAW_SRC_CLI_PREDICTION_ROW_H

#include <jansson.h>
#include <stdio.h>

#include "thaw/model.h"

enum prediction_format { PREDICTION_CSV, PREDICTION_JSONL, PREDICTION_FORMATS };

/* By the ending of the name, .csv or .jsonl; PREDICTION_FORMATS: neither. */
enum prediction_format prediction_format_of(const char *path);

/* Writes the first line of a CSV file: image, label, predicted, probability, predicted2, ... up to `top`, error.
 * Several labels of an image are one field, separated by "|", and so are their probabilities; a network that predicts
 * numbers has a column for each instead. Other formats have no such line. */
void prediction_write_head(FILE *out, enum prediction_format format, const struct thaw_model *model, int top);

/* Writes the line of an image: an object of prediction_json, or one of "image" and "error". label: its class in the
 * dataset, or NULL; JSON lines have it as "true_label". */
void prediction_write_row(FILE *out, enum prediction_format format, json_t *image, const char *label,
			  const struct thaw_model *model, int top);

#endif
