/* The page of `thaw advise`: the recommendation, then the evidence. */
#include "src/cli/advise_page.h"

#include <string.h>

#include "src/cli/advise_parts.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"

#define LARGEST 80     /* columns of a name in a sentence */
#define INDENT  2      /* columns */
#define NOTHING 0.0005 /* smaller differences of accuracy are reported as nothing */

/* "60 of each", "3 to 120 of each, median 60" */
static void print_per_class(struct wrapped *w, const json_t *per_class)
{
	char least[ADVISE_NUMBER], median[ADVISE_NUMBER], most[ADVISE_NUMBER];
	if (!member_is_number(per_class, "least") || !member_is_number(per_class, "most"))
		return;
	text_fixed(json_object_get(per_class, "least"), 1, 0, least, sizeof(least));
	text_fixed(json_object_get(per_class, "most"), 1, 0, most, sizeof(most));
	text_digits(json_object_get(per_class, "median"), ADVISE_EXACT, median, sizeof(median));
	if (strcmp(least, most) == 0)
		wrap_format(w, "(%s of each)", least);
	else
		wrap_format(w, "(%s to %s of each, median %s)", least, most, median);
}

/* Network, data, images, classes. */
static void print_headline(const json_t *advice, FILE *out)
{
	char network[LARGEST + 1], data[LARGEST + 1];
	struct wrapped w = {.out = out};
	double images = member_real(advice, "images"), classes = member_real(advice, "classes");
	double looked_at = member_real(advice, "looked_at"), damaged = member_real(advice, "damaged");
	text_cut(member_text(advice, "network"), LARGEST, network);
	text_cut(member_text(advice, "data"), LARGEST, data);
	wrap_format(&w, "Advice%s%s%s%s", *network ? " for " : "", network, *data ? " on " : "", data);
	fputc('\n', out);
	if (!(images > 0))
		return;
	w.column = 0;
	wrap_format(&w, "%.0f image%s in %.0f class%s", images, images == 1 ? "" : "s", classes,
		    classes == 1 ? "" : "es");
	print_per_class(&w, json_object_get(advice, "per_class"));
	if (looked_at > 0 && looked_at < images)
		wrap_format(&w, "of which %.0f were used", looked_at);
	if (damaged > 0)
		wrap_format(&w, "and %.0f damaged", damaged);
	if (member_real(advice, "size") > 0)
		wrap_format(&w, "at %.0f x %.0f pixels", member_real(advice, "size"), member_real(advice, "size"));
	fputc('\n', out);
}

/* "about 1.4 points" */
static const char *worth_text(const json_t *worth, char *text, size_t size)
{
	char points[ADVISE_NUMBER];
	text_fixed(worth, 100, 1, points, sizeof(points));
	if (json_number_value(worth) >= NOTHING)
		snprintf(text, size, "about %s points", points);
	else if (json_number_value(worth) <= -NOTHING)
		snprintf(text, size, "nothing (%s points)", points);
	else
		snprintf(text, size, "nothing");
	return text;
}

/* Estimated gains from more images and from unfreezing. */
static void print_worth(const json_t *worth, FILE *out)
{
	char text[2 * ADVISE_NUMBER];
	const json_t *images = json_object_get(worth, "twice_the_images");
	const json_t *unfreezing = json_object_get(worth, "unfreezing");
	struct wrapped w = {.out = out};
	if (!json_is_number(images) && !json_is_number(unfreezing))
		return;
	fputc('\n', out);
	if (json_is_number(images))
		wrap_format(&w, "Twice the images would gain %s%s", worth_text(images, text, sizeof(text)),
			    json_is_number(unfreezing) ? "," : ".");
	if (json_is_number(unfreezing))
		wrap_format(&w, "%s %s.", json_is_number(images) ? "unfreezing" : "Unfreezing would gain",
			    worth_text(unfreezing, text, sizeof(text)));
	fputc('\n', out);
}

/* Accuracy of earlier predictions, and the correction derived from it. */
static void print_history(const json_t *history, FILE *out)
{
	char number[ADVISE_NUMBER], factor[ADVISE_NUMBER];
	double runs = member_real(history, "runs");
	struct wrapped w = {.out = out};
	if (!json_is_object(history))
		return;
	fputc('\n', out);
	wrap_format(&w, "History: %.0f run%s followed earlier advice.", runs, runs == 1 ? "" : "s");
	if (member_is_number(history, "inside"))
		wrap_format(&w, "%s %% of the results were inside the expected range.",
			    text_fixed(json_object_get(history, "inside"), 100, 0, number, sizeof(number)));
	if (json_is_false(json_object_get(history, "learned")))
		wrap_text(&w, "These are too few to correct this advice.");
	else if (member_is_number(history, "bias") && member_is_number(history, "factor"))
		wrap_format(&w, "Therefore the ranges here are shifted by %s points and widened by a factor of %s.",
			    text_fixed(json_object_get(history, "bias"), 100, 1, number, sizeof(number)),
			    text_digits(json_object_get(history, "factor"), ADVISE_DIGITS, factor, sizeof(factor)));
	fputc('\n', out);
}

/* Remarks: what could not be measured, and why. */
static void print_words(const json_t *words, FILE *out)
{
	size_t i;
	json_t *sentence;
	if (json_array_size(words) > 0)
		fputc('\n', out);
	json_array_foreach(words, i, sentence)
	{
		struct wrapped w = {.out = out, .indent = INDENT, .column = INDENT};
		if (!json_is_string(sentence))
			continue;
		fputs("- ", out);
		wrap_text(&w, json_string_value(sentence));
		fputc('\n', out);
	}
}

/* Duration of the measurement. */
static void print_effort(const json_t *advice, FILE *out)
{
	char time[ADVISE_NUMBER], core_time[ADVISE_NUMBER], ranks[ADVISE_NUMBER];
	if (!member_is_number(advice, "seconds"))
		return;
	fprintf(out, "\nMeasured in %s%s", advise_time_text(member_real(advice, "seconds"), time, sizeof(time)),
		advise_ranks_text(advice, ranks, sizeof(ranks)));
	if (member_is_number(advice, "core_seconds"))
		fprintf(out, ", %s of core time",
			advise_time_text(member_real(advice, "core_seconds"), core_time, sizeof(core_time)));
	fputs(".\n", out);
}

void advise_page_print(const json_t *advice, FILE *out)
{
	print_headline(advice, out);
	advise_print_chosen(advice, out);
	advise_print_quadrant(advice, out);
	advise_print_curves(advice, out);
	advise_print_depths(advice, out);
	advise_print_pilots(advice, out);
	print_worth(json_object_get(advice, "worth"), out);
	advise_print_plans(advice, out);
	print_history(json_object_get(advice, "history"), out);
	print_words(json_object_get(advice, "words"), out);
	print_effort(advice, out);
}
