/* A chart of points in plain ASCII: axes with round numbers, marks, and dots between joined points. */
#include "src/cli/chart.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"

#define LEFT_MARGIN  3    /* columns between the y axis and the smallest x */
#define RIGHT_MARGIN 12   /* columns to the right of the largest x: room for marks side by side */
#define LABEL_WIDTH  6    /* columns of a number on the y axis */
#define LABEL_SIZE   16   /* bytes of a number on the x axis */
#define STEPS        4    /* approximate number of labelled steps on the y axis */
#define TINY         1e-9 /* tolerance for rounding, as a fraction of a step */

struct area {
	char cells[CHART_ROWS][CHART_COLUMNS + 1]; /* row 0 is the lowest y */
	bool log_x;
	double left, right;  /* of the x axis; logarithms if log_x */
	double bottom, step; /* of the y axis; `step` is the distance of two labels */
	int steps, step_rows;
};

static bool drawable(const struct chart *chart, const struct chart_point *p)
{
	return isfinite(p->x) && isfinite(p->y) && (!chart->log_x || p->x > 0);
}

static double along_x(const struct area *a, double x)
{
	return a->log_x ? log(x) : x;
}

static int column_of(const struct area *a, double x)
{
	double width = CHART_COLUMNS - 1 - LEFT_MARGIN - RIGHT_MARGIN, extent = a->right - a->left;
	return LEFT_MARGIN + (extent > 0 ? (int)lround((along_x(a, x) - a->left) / extent * width) : 0);
}

static int row_of(const struct area *a, double y)
{
	double row = round((y - a->bottom) / a->step * a->step_rows);
	return (int)fmin(fmax(row, 0), a->steps * a->step_rows);
}

/* The smallest number >= x that is 1, 2 or 5 times a power of ten. */
static double round_step(double x)
{
	double power = pow(10, floor(log10(x)));
	double rest = x / power;
	return power * (rest <= 1 + TINY ? 1 : rest <= 2 + TINY ? 2 : rest <= 5 + TINY ? 5 : 10);
}

/* Sets the y axis to round numbers that include [low, high] and span at least chart->span, within chart->least and
 * chart->most. */
static void set_y_axis(struct area *a, const struct chart *chart, double low, double high)
{
	double missing = chart->span - (high - low);
	if (missing > 0) {
		high = fmin(high + missing / 2, chart->most);
		low = fmax(high - chart->span, chart->least);
		high = low + chart->span;
	}
	a->step = round_step((high - low) / STEPS);
	a->bottom = floor(low / a->step + TINY) * a->step;
	a->steps = (int)ceil((high - a->bottom) / a->step - TINY);
	a->step_rows = (CHART_ROWS - 1) / a->steps;
}

/* Returns false if there is nothing to draw. */
static bool set_axes(struct area *a, const struct chart *chart, const struct chart_point *points, int count)
{
	double low = INFINITY, high = -INFINITY;
	a->log_x = chart->log_x;
	a->left = INFINITY;
	a->right = -INFINITY;
	for (int i = 0; i < count; i++) {
		if (!drawable(chart, &points[i]))
			continue;
		double y = fmin(fmax(points[i].y, chart->least), chart->most);
		low = fmin(low, y);
		high = fmax(high, y);
		a->left = fmin(a->left, along_x(a, points[i].x));
		a->right = fmax(a->right, along_x(a, points[i].x));
	}
	if (low > high)
		return false;
	set_y_axis(a, chart, low, high);
	memset(a->cells, ' ', sizeof(a->cells));
	return true;
}

static void join(struct area *a, const struct chart_point *from, const struct chart_point *to)
{
	int first = column_of(a, from->x), last = column_of(a, to->x);
	for (int c = first + 1; c < last; c++)
		a->cells[row_of(a, from->y + (to->y - from->y) * (c - first) / (last - first))][c] = '.';
}

/* Draws the mark in the cell of the point, or else in the nearest free cell to the right, then to the left. */
static void mark(struct area *a, const struct chart_point *p)
{
	char *row = a->cells[row_of(a, p->y)];
	int column = column_of(a, p->x), free = column;
	while (free < CHART_COLUMNS && row[free] != ' ' && row[free] != '.')
		free++;
	for (free = free < CHART_COLUMNS ? free : column; free > 0 && row[free] != ' ' && row[free] != '.';)
		free--;
	row[free] = p->mark;
}

static void print_rows(struct area *a, const char *unit, FILE *out)
{
	for (int row = a->steps * a->step_rows; row >= 0; row--) {
		int end = CHART_COLUMNS;
		while (end > 0 && a->cells[row][end - 1] == ' ')
			end--;
		if (row % a->step_rows == 0)
			fprintf(out, "%*.4g %-2s", LABEL_WIDTH, a->bottom + row / a->step_rows * a->step, unit);
		else
			fprintf(out, "%*s", LABEL_WIDTH + 3, "");
		fprintf(out, "|%.*s\n", end, a->cells[row]);
	}
}

/* Prints the x axis, with a tick for each point and a number where it does not overlap another one. */
static void print_x_axis(const struct area *a, const struct chart *chart, const struct chart_point *points, int count,
			 FILE *out)
{
	char ticks[CHART_COLUMNS + 1], labels[CHART_COLUMNS + 1], label[LABEL_SIZE];
	int end = 0;
	memset(ticks, '-', CHART_COLUMNS);
	memset(labels, ' ', CHART_COLUMNS);
	labels[CHART_COLUMNS] = '\0'; /* ends strspn */
	for (int i = 0; i < count; i++) {
		if (!drawable(chart, &points[i]))
			continue;
		int length = snprintf(label, sizeof(label), "%.*f", points[i].x < 10 ? 1 : 0, points[i].x);
		int column = column_of(a, points[i].x), first = column - (length - 1) / 2;
		first = max_int(first, 1);
		if (length >= LABEL_SIZE || first + length >= CHART_COLUMNS)
			continue;
		ticks[column] = '+';
		if (strspn(labels + first - 1, " ") < (size_t)length + 2)
			continue;
		memcpy(labels + first, label, (size_t)length);
		end = max_int(end, first + length);
	}
	fprintf(out, "%*s+%.*s\n%*s %.*s\n", LABEL_WIDTH + 3, "", CHART_COLUMNS, ticks, LABEL_WIDTH + 3, "", end,
		labels);
}

void chart_print(const struct chart *chart, const struct chart_point *points, int count, FILE *out)
{
	struct area a;
	if (!set_axes(&a, chart, points, count))
		return;
	for (int i = 1; i < count; i++)
		if (points[i].joined && drawable(chart, &points[i - 1]) && drawable(chart, &points[i]))
			join(&a, &points[i - 1], &points[i]);
	for (int i = 0; i < count; i++)
		if (drawable(chart, &points[i]))
			mark(&a, &points[i]);
	print_rows(&a, chart->unit, out);
	print_x_axis(&a, chart, points, count, out);
}
