/* Parts of the page of `thaw advise`. Each starts with an empty line, and prints nothing when `advice` has nothing to
 * say there. */
#ifndef THAW_SRC_CLI_ADVISE_PARTS_H
#define THAW_SRC_CLI_ADVISE_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#define ADVISE_CUT    24 /* columns of a cut, such as from:BLOCK, in tables */
#define ADVISE_NUMBER 24 /* bytes of a number as text */
#define ADVISE_DIGITS 3  /* of rates, losses and their like */
#define ADVISE_EXACT  6  /* digits of counts and of what is to be typed */
#define ADVISE_DEPTHS 26 /* depths that are shown: letters for their curves */

/* The chosen plan, or NULL. */
const json_t *advise_chosen(const json_t *advice);
/* Whether the chosen plan has this cut. */
bool advise_chosen_cut(const json_t *advice, const char *unfreeze);

/* "6 minutes"; " on 2 ranks", or "" where their number is not known. Each returns text. */
const char *advise_time_text(double seconds, char *text, size_t size);
const char *advise_ranks_text(const json_t *object, char *text, size_t size);

/* What is advised, the command to copy, and all that it sets. */
void advise_print_chosen(const json_t *advice, FILE *out);
/* Size and similarity of the data, and the numbers behind them. */
void advise_print_quadrant(const json_t *advice, FILE *out);
/* Accuracy of the probes by images per class. */
void advise_print_curves(const json_t *advice, FILE *out);
/* Tables. */
void advise_print_depths(const json_t *advice, FILE *out);
void advise_print_pilots(const json_t *advice, FILE *out);
void advise_print_plans(const json_t *advice, FILE *out);

#endif
