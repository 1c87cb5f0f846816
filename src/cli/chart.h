/* A chart of points in plain ASCII, for terminals and log files. */
#ifndef THAW_SRC_CLI_CHART_H
#define THAW_SRC_CLI_CHART_H

#include <stdbool.h>
#include <stdio.h>

#define CHART_COLUMNS 88 /* of the plot area; the labels to its left take 10 more */
#define CHART_ROWS    16 /* at most, of the plot area */

struct chart {
	bool log_x;         /* logarithmic x axis; points with x <= 0 are skipped */
	double least, most; /* possible range of y; the axis does not exceed it */
	double span;        /* minimum range of the y axis, so that small differences look small */
	const char *unit;   /* printed after the numbers of the y axis */
};

struct chart_point {
	double x, y;
	char mark;
	bool joined; /* with the previous point in the array, by dots */
};

/* Draws the points with labelled axes. Every distinct x is labelled if there is room. Coinciding marks are drawn side
 * by side. Prints nothing if there is no point to draw. */
void chart_print(const struct chart *chart, const struct chart_point *points, int count, FILE *out);

#endif
