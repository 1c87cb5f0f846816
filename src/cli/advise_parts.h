/* Parts of the page of `thaw advise`. Each starts with an empty line, and prints nothing if `advice` has no data for
 * it. */
#ifndef THAW_SRC_CLI_ADVISE_PARTS_H
#define THAW_SRC_CLI_ADVISE_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define ADVISE_CUT    24 /* columns of a cut, such as from:BLOCK, in tables */
#define ADVISE_NUMBER 24 /* bytes of a number as text */
#define ADVISE_DIGITS 3  /* significant digits of learning rates and losses */
#define ADVISE_EXACT  6  /* significant digits of counts and of flag values */
#define ADVISE_DEPTHS 26 /* maximum number of depths: one letter for each curve */

/* The chosen plan, or NULL. */
const json_t *advise_chosen(const json_t *advice);
/* Whether the chosen plan has this cut. */
bool advise_chosen_cut(const json_t *advice, const char *unfreeze);

/* "6 minutes"; " on 2 ranks", or "" if the number of ranks is unknown. Each returns text. */
const char *advise_time_text(double seconds, char *text, size_t size);
const char *advise_ranks_text(const json_t *object, char *text, size_t size);

/* The recommended plan, the command to copy, and all values of the plan. */
void advise_print_chosen(const json_t *advice, FILE *out);
/* Size and similarity of the data, with the underlying numbers. */
void advise_print_quadrant(const json_t *advice, FILE *out);
/* Accuracy of the probes by images per class. */
void advise_print_curves(const json_t *advice, FILE *out);
/* Tables. */
void advise_print_depths(const json_t *advice, FILE *out);
void advise_print_pilots(const json_t *advice, FILE *out);
void advise_print_plans(const json_t *advice, FILE *out);

#endif
