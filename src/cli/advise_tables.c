/* Tables: depths, pilot runs, plans. */
#include <string.h>

#include "src/cli/advise_parts.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"

#define MOST_ROWS 8 /* of pilots and of plans */

/* Prints the number with text_fixed, right-aligned. */
static void print_fixed(FILE *out, int columns, const json_t *object, const char *key, double scale, int decimals)
{
	char text[ADVISE_NUMBER];
	fprintf(out, "%*s", columns, text_fixed(json_object_get(object, key), scale, decimals, text, sizeof(text)));
}

static void print_digits(FILE *out, int columns, const json_t *object, const char *key)
{
	char text[ADVISE_NUMBER];
	fprintf(out, "%*s", columns, text_digits(json_object_get(object, key), ADVISE_DIGITS, text, sizeof(text)));
}

static void print_cut(FILE *out, const json_t *row)
{
	char cut[ADVISE_CUT + 1];
	fprintf(out, "%-*s", ADVISE_CUT, text_cut(member_text(row, "unfreeze"), ADVISE_CUT, cut));
}

/* "96.0 (94.0 to 98.0)" in 22 columns. */
static void print_range(FILE *out, const json_t *range)
{
	char accuracy[ADVISE_NUMBER], low[ADVISE_NUMBER], high[ADVISE_NUMBER], text[4 * ADVISE_NUMBER];
	text_fixed(json_object_get(range, "accuracy"), 100, 1, accuracy, sizeof(accuracy));
	text_fixed(json_object_get(range, "low"), 100, 1, low, sizeof(low));
	text_fixed(json_object_get(range, "high"), 100, 1, high, sizeof(high));
	snprintf(text, sizeof(text), "%s (%s to %s)", accuracy, low, high);
	bool known = member_is_number(range, "low") && member_is_number(range, "high");
	fprintf(out, "%22s", known ? text : accuracy);
}

/* Prints how many rows of a table were omitted. */
static void print_rest(FILE *out, size_t rest, const char *what)
{
	if (rest > 0)
		fprintf(out, "  and %zu more %s: see --json\n", rest, what);
}

/* Accuracy and standard error with all images: the last point of the curve. */
static void print_probe(FILE *out, const json_t *probe)
{
	const json_t *last = json_array_size(probe) > 0 ? json_array_get(probe, json_array_size(probe) - 1) : NULL;
	char accuracy[ADVISE_NUMBER], error[ADVISE_NUMBER], text[2 * ADVISE_NUMBER + 4];
	text_fixed(json_object_get(last, "accuracy"), 100, 1, accuracy, sizeof(accuracy));
	text_fixed(json_object_get(last, "error"), 100, 1, error, sizeof(error));
	snprintf(text, sizeof(text), "%s +- %s", accuracy, error);
	fprintf(out, "%14s", member_is_number(last, "error") ? text : accuracy);
}

void advise_print_depths(const json_t *advice, FILE *out)
{
	const json_t *depths = json_object_get(advice, "depths");
	size_t i, count = json_array_size(depths);
	json_t *depth;
	if (count == 0)
		return;
	fprintf(out, "\n     %-*s  trains %%  features  %14s  %22s\n", ADVISE_CUT, "cut", "probe %",
		"twice the images %");
	json_array_foreach(depths, i, depth)
	{
		if (i >= ADVISE_DEPTHS)
			break;
		fprintf(out, "%c %c  ", advise_chosen_cut(advice, member_text(depth, "unfreeze")) ? '>' : ' ',
			(char)('A' + i));
		print_cut(out, depth);
		print_fixed(out, 10, depth, "share", 100, 1);
		print_fixed(out, 10, depth, "features", 1, 0);
		fputs("  ", out);
		print_probe(out, json_object_get(depth, "probe"));
		fputs("  ", out);
		print_range(out, json_object_get(depth, "twice"));
		fputc('\n', out);
	}
	print_rest(out, count > ADVISE_DEPTHS ? count - ADVISE_DEPTHS : 0, "depths");
}

/* Whether a later, longer pilot has the same cut and learning rate; that one is more informative. */
static bool repeated(const json_t *pilots, size_t index)
{
	const json_t *pilot = json_array_get(pilots, index);
	for (size_t i = index + 1; i < json_array_size(pilots); i++) {
		const json_t *other = json_array_get(pilots, i);
		if (strcmp(member_text(other, "unfreeze"), member_text(pilot, "unfreeze")) == 0 &&
		    member_real(other, "lr") == member_real(pilot, "lr") &&
		    member_real(other, "steps") > member_real(pilot, "steps"))
			return true;
	}
	return false;
}

static void print_pilot(const json_t *pilot, FILE *out)
{
	fputs("     ", out);
	print_cut(out, pilot);
	print_digits(out, 15, pilot, "lr");
	print_fixed(out, 8, pilot, "steps", 1, 0);
	print_fixed(out, 12, pilot, "accuracy", 100, 1);
	print_digits(out, 9, pilot, "loss");
	fputs(json_is_true(json_object_get(pilot, "kept")) ? "  yes\n" : "  no\n", out);
}

/* Last pilots first: they trained longest. */
void advise_print_pilots(const json_t *advice, FILE *out)
{
	const json_t *pilots = json_object_get(advice, "pilots");
	size_t shown = 0, rest = 0;
	for (size_t i = json_array_size(pilots); i-- > 0;) {
		if (repeated(pilots, i))
			continue;
		if (shown == 0)
			fprintf(out, "\n     %-*s  learning rate   steps  accuracy %%     loss  kept\n", ADVISE_CUT,
				"pilot run");
		if (shown < MOST_ROWS) {
			print_pilot(json_array_get(pilots, i), out);
			shown++;
		} else {
			rest++;
		}
	}
	print_rest(out, rest, "pilot runs");
}

static void print_plan(const json_t *plan, bool chosen, FILE *out)
{
	char time[ADVISE_NUMBER];
	const json_t *train = json_object_get(plan, "train"), *cost = json_object_get(plan, "cost");
	const json_t *fits = json_object_get(plan, "fits"), *hours = json_object_get(cost, "hours");
	fprintf(out, "%c    ", chosen ? '>' : ' ');
	print_cut(out, train);
	print_digits(out, 8, train, "lr");
	print_fixed(out, 8, train, "epochs", 1, 0);
	fputs("  ", out);
	print_range(out, json_object_get(plan, "expected"));
	fprintf(out, "%9s",
		json_is_number(hours) ? text_duration(3600 * json_number_value(hours), time, sizeof(time)) : "-");
	print_fixed(out, 7, cost, "mebibytes", 1, 0);
	fprintf(out, "  %s\n", json_is_false(fits) ? "no" : json_is_true(fits) ? "yes" : "-");
}

void advise_print_plans(const json_t *advice, FILE *out)
{
	const json_t *plans = json_object_get(advice, "plans"), *chosen = advise_chosen(advice);
	size_t i, rest = 0;
	json_t *plan;
	if (json_array_size(plans) == 0)
		return;
	fprintf(out, "\n     %-*s%8s%8s  %22s%9s%7s  fits\n", ADVISE_CUT, "plan", "rate", "epochs", "expected %",
		"time", "MiB");
	json_array_foreach(plans, i, plan)
	{
		if (i < MOST_ROWS || plan == chosen)
			print_plan(plan, plan == chosen, out);
		else
			rest++;
	}
	print_rest(out, rest, "plans");
}
