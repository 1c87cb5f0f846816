/* The learning curves: accuracy of a linear probe on the features of each depth, by images per class. */
#include <ctype.h>

#include "src/cli/advise_parts.h"
#include "src/cli/chart.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"

#define MOST_POINTS (ADVISE_DEPTHS * 8) /* total over all curves */
#define LEAST_SPAN  4                   /* minimum range of the y axis in percentage points */

struct curves {
	struct chart_point points[MOST_POINTS];
	int count;
	bool twice, joined; /* whether there are extrapolated and joined points */
};

static void add_point(struct curves *c, double per_class, const json_t *accuracy, char letter, bool joined)
{
	if (!json_is_number(accuracy) || c->count == MOST_POINTS)
		return;
	c->points[c->count++] = (struct chart_point){per_class, 100 * json_number_value(accuracy), letter, joined};
	c->joined |= joined;
}

static void add_curve(struct curves *c, const json_t *depth, char letter, bool chosen)
{
	const json_t *probe = json_object_get(depth, "probe");
	const json_t *twice = json_object_get(json_object_get(depth, "twice"), "accuracy");
	int first = c->count;
	double per_class = 0;
	size_t i;
	json_t *point;
	json_array_foreach(probe, i, point)
	{
		per_class = member_real(point, "per_class");
		add_point(c, per_class, json_object_get(point, "accuracy"), letter, chosen && c->count > first);
	}
	if (per_class > 0 && json_is_number(twice)) {
		add_point(c, 2 * per_class, twice, (char)tolower(letter), chosen && c->count > first);
		c->twice = true;
	}
}

/* Whether there are points at more than one x. */
static bool has_curve(const struct curves *c)
{
	for (int i = 1; i < c->count; i++)
		if (c->points[i].x != c->points[0].x)
			return true;
	return false;
}

void advise_print_curves(const json_t *advice, FILE *out)
{
	static const struct chart chart = {.log_x = true, .least = 0, .most = 100, .span = LEAST_SPAN, .unit = "%"};
	struct curves c = {.count = 0};
	struct wrapped w = {.out = out};
	size_t i;
	json_t *depth;
	json_array_foreach(json_object_get(advice, "depths"), i, depth)
	{
		if (i < ADVISE_DEPTHS)
			add_curve(&c, depth, (char)('A' + i),
				  advise_chosen_cut(advice, member_text(depth, "unfreeze")));
	}
	if (!has_curve(&c))
		return;
	fputc('\n', out);
	wrap_text(
		&w,
		"Accuracy of a linear probe at each depth, by images per class. Letters: see the table below; letters "
		"side by side have the same number of images.");
	if (c.twice)
		wrap_text(&w, "Lower case: extrapolated to twice the images.");
	if (c.joined)
		wrap_text(&w, "Dotted: the cut of the plan.");
	fputc('\n', out);
	chart_print(&chart, c.points, c.count, out);
}
