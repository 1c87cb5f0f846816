/* The recommended plan: a one-sentence summary, the command, all values. */
#include <math.h>
#include <string.h>

#include "src/base/text.h"
#include "src/cli/advise_parts.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"
#include "thaw/memory.h"

#define PAGE_WIDTH 100 /* columns */
#define INDENT     4   /* columns of the command */
#define CONTINUED  2   /* additional columns on continuation lines */
#define LARGEST    80  /* columns of a name in the summary, bytes of its other parts */

const json_t *advise_chosen(const json_t *advice)
{
	const json_t *index = json_object_get(advice, "plan");
	if (!json_is_integer(index) || json_integer_value(index) < 0)
		return NULL;
	return json_array_get(json_object_get(advice, "plans"), (size_t)json_integer_value(index));
}

bool advise_chosen_cut(const json_t *advice, const char *unfreeze)
{
	const json_t *train = json_object_get(advise_chosen(advice), "train");
	return *unfreeze && strcmp(member_text(train, "unfreeze"), unfreeze) == 0;
}

const char *advise_time_text(double seconds, char *text, size_t size)
{
	if (seconds < 90)
		snprintf(text, size, "%.0f second%s", fmax(1, round(seconds)), seconds < 1.5 ? "" : "s");
	else if (seconds < 90 * 60)
		snprintf(text, size, "%.0f minutes", seconds / 60);
	else
		snprintf(text, size, "%.3g hours", seconds / 3600);
	return text;
}

const char *advise_ranks_text(const json_t *object, char *text, size_t size)
{
	double ranks = member_real(object, "ranks");
	*text = '\0';
	if (ranks > 0)
		snprintf(text, size, " on %.0f rank%s", ranks, ranks == 1 ? "" : "s");
	return text;
}

/* A value of --unfreeze in words: "Unfreeze from BLOCK on". */
static void cut_text(const char *unfreeze, char *text, size_t size)
{
	static const char from[] = "from:", last[] = "last:";
	char name[LARGEST + 1];
	if (strcmp(unfreeze, "head") == 0)
		snprintf(text, size, "Train only the head");
	else if (strcmp(unfreeze, "all") == 0)
		snprintf(text, size, "Unfreeze everything");
	else if (strncmp(unfreeze, from, strlen(from)) == 0)
		snprintf(text, size, "Unfreeze from %s on", text_cut(unfreeze + strlen(from), LARGEST, name));
	else if (strncmp(unfreeze, last, strlen(last)) == 0)
		snprintf(text, size, "Unfreeze the last %s blocks", text_cut(unfreeze + strlen(last), LARGEST, name));
	else
		snprintf(text, size, "Unfreeze %s", text_cut(unfreeze, LARGEST, name));
}

/* ": expect 96 % (94 to 98 %)", or "" without an accuracy. */
static void expected_text(const json_t *expected, char *text, size_t size)
{
	char accuracy[ADVISE_NUMBER], low[ADVISE_NUMBER], high[ADVISE_NUMBER];
	text_fixed(json_object_get(expected, "accuracy"), 100, 0, accuracy, sizeof(accuracy));
	text_fixed(json_object_get(expected, "low"), 100, 0, low, sizeof(low));
	text_fixed(json_object_get(expected, "high"), 100, 0, high, sizeof(high));
	if (!member_is_number(expected, "accuracy"))
		snprintf(text, size, "%s", "");
	else if (!member_is_number(expected, "low") || !member_is_number(expected, "high"))
		snprintf(text, size, ": expect %s %%", accuracy);
	else
		snprintf(text, size, ": expect %s %% (%s to %s %%)", accuracy, low, high);
}

/* What to train, the expected accuracy and the time, in one sentence. */
static void print_summary(const json_t *plan, FILE *out)
{
	const json_t *train = json_object_get(plan, "train"), *cost = json_object_get(plan, "cost");
	char cut[2 * LARGEST], rate[LARGEST] = "", expected[2 * LARGEST], time[LARGEST] = "";
	char number[ADVISE_NUMBER], ranks[ADVISE_NUMBER];
	struct wrapped w = {.out = out};
	cut_text(member_text(train, "unfreeze"), cut, sizeof(cut));
	expected_text(json_object_get(plan, "expected"), expected, sizeof(expected));
	if (member_is_number(train, "lr"))
		snprintf(rate, sizeof(rate), ", learning rate %s",
			 text_digits(json_object_get(train, "lr"), ADVISE_DIGITS, number, sizeof(number)));
	if (member_is_number(cost, "hours"))
		snprintf(time, sizeof(time), ", %s%s",
			 advise_time_text(3600 * member_real(cost, "hours"), number, sizeof(number)),
			 advise_ranks_text(cost, ranks, sizeof(ranks)));
	wrap_format(&w, "%s%s%s%s.", cut, rate, expected, time);
	if (json_is_false(json_object_get(plan, "fits")))
		wrap_text(&w, "This exceeds the budget.");
	fputc('\n', out);
}

/* All values of the plan, as flags of thaw train. */
static void print_settings(json_t *train, FILE *out)
{
	char number[ADVISE_NUMBER];
	const char *key;
	json_t *value;
	struct wrapped w = {.out = out};
	wrap_text(&w, "As flags:");
	json_object_foreach(train, key, value)
	{
		if (json_is_string(value))
			wrap_format(&w, "--%s %s", key, json_string_value(value));
		else if (json_is_integer(value))
			wrap_format(&w, "--%s %s", key, text_fixed(value, 1, 0, number, sizeof(number)));
		else if (json_is_real(value))
			wrap_format(&w, "--%s %s", key, text_digits(value, ADVISE_EXACT, number, sizeof(number)));
	}
	fputc('\n', out);
}

/* Length in bytes of the shell word at the start of `text`. Quoted blanks are part of the word. */
static int shell_word(const char *text)
{
	char quote = '\0';
	int n = 0;
	for (; text[n] && (quote || text[n] != ' '); n++) {
		if (text[n] == '\\' && quote != '\'' && text[n + 1])
			n++;
		else if (quote)
			quote = text[n] == quote ? '\0' : quote;
		else if (text[n] == '\'' || text[n] == '"')
			quote = text[n];
	}
	return n;
}

/* Prints the command, with a backslash at the end of continued lines. */
static void print_command(const char *command, FILE *out)
{
	char *text = thaw_strdup(command);
	int column = 0;
	if (!text)
		return;
	thaw_text_clean(text, "");
	fprintf(out, "\n%*s", INDENT, "");
	for (const char *word = text; *(word += strspn(word, " "));) {
		int length = shell_word(word);
		if (column && INDENT + column + 1 + length + 2 > PAGE_WIDTH) {
			fprintf(out, " \\\n%*s", INDENT + CONTINUED, "");
			column = CONTINUED;
		} else if (column) {
			fputc(' ', out);
			column++;
		}
		fwrite(word, 1, (size_t)length, out);
		column += length;
		word += length;
	}
	fputc('\n', out);
	thaw_free(text);
}

void advise_print_chosen(const json_t *advice, FILE *out)
{
	const json_t *plan = advise_chosen(advice);
	if (*member_text(json_object_get(plan, "train"), "unfreeze")) {
		fputc('\n', out);
		print_summary(plan, out);
	}
	if (*member_text(advice, "command"))
		print_command(member_text(advice, "command"), out);
	if (plan && json_object_size(json_object_get(plan, "train")) > 0) {
		fputc('\n', out);
		print_settings(json_object_get(plan, "train"), out);
	}
}
