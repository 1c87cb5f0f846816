/* The four quadrants, small or large by similar or different data, with the underlying numbers. */
#include <stdarg.h>
#include <string.h>

#include "src/cli/advise_parts.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"

#define FACTS        6   /* lines of the drawing, and maximum number of facts beside it */
#define DRAWING      34  /* columns to the left of the facts */
#define LAYER        13  /* columns of a layer's name */
#define LARGEST_FACT 128 /* bytes */

struct fact {
	const char *label;
	char text[LARGEST_FACT];
};

struct facts {
	struct fact facts[FACTS];
	int count;
};

static void add_fact(struct facts *f, const char *label, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void add_fact(struct facts *f, const char *label, const char *format, ...)
{
	va_list arguments;
	if (f->count == FACTS)
		return;
	struct fact *fact = &f->facts[f->count++];
	fact->label = label;
	va_start(arguments, format);
	vsnprintf(fact->text, sizeof(fact->text), format, arguments);
	va_end(arguments);
}

static void print_fact(const struct fact *fact, FILE *out)
{
	fprintf(out, "%-18s  %s", fact->label, fact->text);
}

static void add_number(struct facts *f, const char *label, const json_t *object, const char *key)
{
	char number[ADVISE_NUMBER];
	if (member_is_number(object, key))
		add_fact(f, label, "%s", text_fixed(json_object_get(object, key), 1, 2, number, sizeof(number)));
}

static void add_figure(struct facts *f, const json_t *similarity)
{
	char number[ADVISE_NUMBER], from[LAYER + 1];
	if (!member_is_number(similarity, "figure"))
		return;
	text_fixed(json_object_get(similarity, "figure"), 1, 2, number, sizeof(number));
	text_cut(member_text(similarity, "from"), LAYER, from);
	add_fact(f, "distance to source", "%s%s%s", number, *from ? ", from " : "", from);
}

/* The layers with the smallest and the largest distance from the network's training data. */
static void add_layers(struct facts *f, const json_t *layers)
{
	char nearest_name[LAYER + 1], farthest_name[LAYER + 1], near[ADVISE_NUMBER], far[ADVISE_NUMBER];
	const json_t *nearest = NULL, *farthest = NULL;
	size_t i;
	json_t *layer;
	json_array_foreach(layers, i, layer)
	{
		double distance = member_real(layer, "distance");
		if (!member_is_number(layer, "distance") || !*member_text(layer, "name"))
			continue;
		nearest = nearest && member_real(nearest, "distance") <= distance ? nearest : layer;
		farthest = farthest && member_real(farthest, "distance") >= distance ? farthest : layer;
	}
	if (!nearest)
		return;
	text_fixed(json_object_get(nearest, "distance"), 1, 2, near, sizeof(near));
	text_fixed(json_object_get(farthest, "distance"), 1, 2, far, sizeof(far));
	add_fact(f, "distance by layer", "%s at %s to %s at %s", near,
		 text_cut(member_text(nearest, "name"), LAYER, nearest_name), far,
		 text_cut(member_text(farthest, "name"), LAYER, farthest_name));
}

static void add_images(struct facts *f, const json_t *per_class)
{
	char median[ADVISE_NUMBER], least[ADVISE_NUMBER];
	if (!member_is_number(per_class, "median"))
		return;
	text_digits(json_object_get(per_class, "median"), ADVISE_EXACT, median, sizeof(median));
	text_digits(json_object_get(per_class, "least"), ADVISE_EXACT, least, sizeof(least));
	add_fact(f, "images per class", "median %s, minimum %s", median, least);
}

/* A cell of the drawing; X marks the quadrant of the data. */
static char cell(bool row, bool column)
{
	return row && column ? 'X' : ' ';
}

static void draw(bool large, bool different, const struct facts *f, FILE *out)
{
	static const char line[] = "       +----------+----------+";
	for (int i = 0; i < FACTS; i++) {
		int used;
		if (i == 0)
			used = fprintf(out, "%s", "         similar    different");
		else if (i % 2)
			used = fprintf(out, "%s", line);
		else
			used = fprintf(out, " %5s |    %c     |    %c     |", i == 2 ? "small" : "large",
				       cell(large == (i == 4), !different), cell(large == (i == 4), different));
		if (i < f->count) {
			fprintf(out, "%*s", DRAWING - used, "");
			print_fact(&f->facts[i], out);
		}
		fputc('\n', out);
	}
}

static bool is_one_of(const char *text, const char *a, const char *b)
{
	return strcmp(text, a) == 0 || strcmp(text, b) == 0;
}

void advise_print_quadrant(const json_t *advice, FILE *out)
{
	const json_t *similarity = json_object_get(advice, "similarity");
	const json_t *quadrant = json_object_get(advice, "quadrant");
	const char *size = member_text(quadrant, "size"), *alike = member_text(quadrant, "similarity");
	struct facts f = {.count = 0};
	struct wrapped w = {.out = out};
	add_figure(&f, similarity);
	add_layers(&f, json_object_get(similarity, "layers"));
	add_number(&f, "source confidence", similarity, "confidence");
	add_number(&f, "LEEP", similarity, "leep");
	add_images(&f, json_object_get(advice, "per_class"));
	bool drawn = is_one_of(size, "small", "large") && is_one_of(alike, "similar", "different");
	if (!drawn && !f.count)
		return;
	fputc('\n', out);
	if (drawn)
		draw(strcmp(size, "large") == 0, strcmp(alike, "different") == 0, &f, out);
	for (int i = 0; !drawn && i < f.count; i++) {
		print_fact(&f.facts[i], out);
		fputc('\n', out);
	}
	if (drawn && *member_text(quadrant, "textbook")) {
		wrap_format(&w, "Rule of thumb for %s, %s data:", size, alike);
		wrap_text(&w, member_text(quadrant, "textbook"));
		fputc('\n', out);
	}
}
