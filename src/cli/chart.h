/* A chart of points in plain ASCII, for terminals and log files. */
#ifndef THAW_SRC_CLI_CHART_H
#define THAW_SRC_CLI_CHART_H

#include <stdbool.h>
#include <stdio.h>

#define CHART_COLUMNS 88 /* of the area that points lie in; labels take 10 more to the left */
#define CHART_ROWS    16 /* at most */

struct chart {
	bool log_x;         /* points of x <= 0 are then left out */
	double least, most; /* what y can be: the axis ends there */
	double span;        /* of y that is shown at least, so that little differences look little */
	const char *unit;   /* behind the numbers of the y axis */
};

struct chart_point {
	double x, y;
	char mark;
	bool joined; /* by dots to the point before it in the array */
};

/* Draws the points with labelled axes, every distinct x labelled as far as there is room. Marks that would fall on one
 * another stand side by side. Prints nothing when there is no point to draw. */
void chart_print(const struct chart *chart, const struct chart_point *points, int count, FILE *out);

#endif
