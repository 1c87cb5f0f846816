/* thaw check: what is wrong with a dataset. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/image_options.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"
#include "thaw/check.h"

#define CHECK     "Check"
#define DATA      "Dataset"
#define NETWORK   "Network"
#define WORD_SIZE 32
#define TEXT_SIZE 512

struct values {
	struct common common;
	struct thaw_check_options check;
	const char *precision; /* word for check.precision */
	const char *fail_on;
	const char *size; /* --size */
	int examples;
};

#define OFFSET(field) offsetof(struct values, check.field)

static bool is_issue(const char *word, size_t length)
{
	const char *name;
	for (int i = 0; (name = thaw_check_issue(i)); i++)
		if (strlen(name) == length && strncmp(name, word, length) == 0)
			return true;
	return length == 3 && strncmp(word, "any", 3) == 0;
}

static thaw_status check_issues(const char *text, const char *place)
{
	for (const char *at = text;; at += strcspn(at, ",") + 1) {
		size_t length = strcspn(at, ",");
		if (!is_issue(at, length))
			return thaw_fail(THAW_USAGE,
					 "not an issue: %s: %.*s: give any, or names of issues as the report has them",
					 place, (int)min_size(length, WORD_SIZE), at);
		if (!at[length])
			return THAW_OK;
	}
}

/* clang-format off */
static const struct option options[] = {
	{.name = "out", .metavar = "FILE", .type = OPTION_TEXT, .offset = OFFSET(out), .section = CHECK,
	 .absent = "none",
	 .help = "write the images to leave out, a list for --exclude"},
	{.name = "scores", .metavar = "FILE", .type = OPTION_TEXT, .offset = OFFSET(scores), .section = CHECK,
	 .absent = "none",
	 .help = "write the scores of all images, separated by tabs: 1 is fine, less than 0.5 is flagged"},
	{.name = "fail-on", .metavar = "ISSUES", .type = OPTION_TEXT, .offset = offsetof(struct values, fail_on),
	 .section = CHECK, .list = true, .check = check_issues, .absent = "none",
	 .help = "end with exit code 65 if one of these issues is found, such as damaged,leak; any: all but imbalance"},
	{.name = "examples", .metavar = "N", .type = OPTION_INT, .offset = offsetof(struct values, examples),
	 .section = CHECK, .min = 0, .max = 1e6,
	 .help = "images that the report names for each issue, the worst ones; --json names all"},
	DECODE_THREADS_OPTION(CHECK, OFFSET(decode_threads)),
	EXCLUDE_OPTION(DATA, OFFSET(exclude), ""),
	MANIFEST_OPTIONS(DATA, OFFSET(manifest)),
	TEST_SHARE_OPTION(DATA, OFFSET(test_share), "; use the value of the training"),
	SEED_OPTION(DATA, OFFSET(seed), "seed of that selection"),
	PARTS_OPTIONS(DATA, OFFSET(parts)),
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = OFFSET(model), .section = NETWORK,
	 .absent = "none",
	 .help = "network, as for thaw train: also find doubtful labels and outliers, by its features"},
	WEIGHTS_KEY_OPTION(NETWORK, OFFSET(weights_key)),
	SIZE_OPTION(NETWORK, offsetof(struct values, size)),
	PREPROCESS_OPTIONS(NETWORK, OFFSET(images)),
	PRECISION_OPTION(NETWORK, offsetof(struct values, precision), NULL),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_check_defaults(&v->check);
	v->precision = "fp32";
	v->examples = 3;
}

/* Whether --fail-on names the issue. `any` leaves out imbalance: that is how the world is. */
static bool fails_on(const char *words, const char *issue)
{
	for (const char *at = words;; at += strcspn(at, ",") + 1) {
		size_t length = strcspn(at, ",");
		bool any = length == 3 && strncmp(at, "any", 3) == 0 && strcmp(issue, "imbalance") != 0;
		if (any || (strlen(issue) == length && strncmp(at, issue, length) == 0))
			return true;
		if (!at[length])
			return false;
	}
}

/* Appends the issues of an array that --fail-on names. */
static void find_failures(const json_t *issues, const char *words, char *text, size_t size)
{
	size_t i;
	json_t *o;
	json_array_foreach(issues, i, o)
	{
		size_t used = strlen(text);
		const char *name = member_text(o, "issue");
		if (member_real(o, "count") > 0 && fails_on(words, name))
			snprintf(text + used, size - used, "%s%s (%.0f)", used ? ", " : "", name,
				 member_real(o, "count"));
	}
}

static thaw_status judge(const struct values *v, const json_t *result)
{
	char text[TEXT_SIZE] = "";
	if (!v->fail_on || !result)
		return THAW_OK;
	find_failures(json_object_get(result, "issues"), v->fail_on, text, sizeof(text));
	find_failures(json_object_get(result, "set"), v->fail_on, text, sizeof(text));
	if (!text[0])
		return THAW_OK;
	return thaw_fail(THAW_DATA, "issues found: %s: %s: see the report", member_text(result, "data"), text);
}

static thaw_status run_check(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	struct thaw_check_options check = v->check;
	check.data = session->settings->argument_count > 0 ? session->settings->arguments[0] : NULL;
	check.size = size_of(v->size);
	check.precision = thaw_precision_find(v->precision);
	thaw_status status = thaw_check(session->comm, &check, &callbacks, result);
	progress_end(&progress);
	if (*result)
		json_object_set_new(*result, "examples", json_integer(v->examples));
	return status == THAW_OK ? judge(v, *result) : status;
}

static void print_image(const json_t *o, FILE *out)
{
	const char *other = member_text(o, "other_image"), *why = member_text(o, "why");
	const char *mine = member_text(o, "class"), *suggested = member_text(o, "suggested");
	fprintf(out, "    %.2f  %s", member_real(o, "score"), member_text(o, "image"));
	if (other[0])
		fprintf(out, "  =  %s%s", other,
			!json_is_true(json_object_get(o, "conflict")) ? ""
			: mine[0]                                     ? "  (another class)"
								      : "  (another label)");
	if (suggested[0])
		fprintf(out, "  %s, or %s?", mine, suggested);
	if (why[0])
		fprintf(out, "  %s", why);
	fputc('\n', out);
}

static void print_words(const json_t *issue, double images, FILE *out)
{
	struct wrapped w = {.out = out, .indent = 4};
	char text[TEXT_SIZE];
	double count = member_real(issue, "count");
	snprintf(text, sizeof(text), "%s: %.0f (%.2g %%): %s. %s", member_text(issue, "issue"), count,
		 100 * count / images, member_text(issue, "what"), member_text(issue, "advice"));
	wrap_words(&w, text);
	fputc('\n', out);
}

static void print_issue(const json_t *issue, double images, double examples, FILE *out)
{
	size_t i;
	json_t *o;
	if (!(member_real(issue, "count") > 0))
		return;
	print_words(issue, images, out);
	json_array_foreach(json_object_get(issue, "images"), i, o)
	{
		if ((double)i < examples)
			print_image(o, out);
	}
}

/* An issue of the whole set. */
static void print_set_issue(const json_t *issue, double examples, FILE *out)
{
	size_t i;
	json_t *o;
	struct wrapped w = {.out = out, .indent = 4};
	char text[2 * TEXT_SIZE];
	double count = member_real(issue, "count");
	if (!(count > 0))
		return;
	snprintf(text, sizeof(text), "%s: %.0f: %s. %s", member_text(issue, "issue"), count, member_text(issue, "what"),
		 member_text(issue, "advice"));
	wrap_words(&w, text);
	fputc('\n', out);
	if (member_is_number(issue, "exact"))
		fprintf(out, "    exact %.0f, near %.0f\n", member_real(issue, "exact"), member_real(issue, "near"));
	if (member_is_number(issue, "ratio"))
		fprintf(out, "    %.3g to 1: %s has %.0f images, %s %.0f\n", member_real(issue, "ratio"),
			member_text(issue, "largest"), member_real(issue, "largest_images"),
			member_text(issue, "smallest"), member_real(issue, "smallest_images"));
	json_array_foreach(json_object_get(issue, "shared"), i, o)
	{
		if ((double)i < examples)
			fprintf(out, "    %s (%s) and %s (%s)\n", member_text(o, "image"), member_text(o, "split"),
				member_text(o, "other_image"), member_text(o, "other_split"));
	}
	json_array_foreach(json_object_get(issue, "lacking"), i, o)
	{
		if ((double)i < examples)
			fprintf(out, "    %s is not in %s\n", member_text(o, "class"), member_text(o, "split"));
	}
}

static void print_check(const json_t *result, FILE *out)
{
	size_t i;
	json_t *o;
	const double images = member_real(result, "images"), examples = member_real(result, "examples");
	fprintf(out, "%s: %.0f images of %.0f classes, %.4g %% of them sound\n\n", member_text(result, "data"), images,
		member_real(result, "classes"), 100 * member_real(result, "sound"));
	json_array_foreach(json_object_get(result, "set"), i, o) print_set_issue(o, examples, out);
	json_array_foreach(json_object_get(result, "issues"), i, o) print_issue(o, images, examples, out);
	if (member_is_number(result, "probe"))
		fprintf(out,
			"\nfeatures: a linear probe names the class of %.1f %% of the images that it has not seen\n",
			100 * member_real(result, "probe"));
	if (member_is_number(result, "crowded"))
		fprintf(out, "\n%.0f images have so many look-alikes that only the nearest were compared\n",
			member_real(result, "crowded"));
	if (member_is_number(result, "listed"))
		fprintf(out, "\n%.0f images are listed for --exclude\n", member_real(result, "listed"));
}

const struct command command_check = {
	.name = "check",
	.usage = "D [flags], or --manifest FILE.csv",
	.summary = "find damaged, duplicate and doubtful images in a dataset",
	.about =
		"Reads all images of all splits of the dataset D and reports what harms a training or a comparison: "
		"files that cannot be read, duplicates, splits that share pictures, images unlike the others, and with "
		"--model also labels that seem wrong. The report is the same for any number of ranks.",
	.max_arguments = 1,
	.argument = "D",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "asked to stop: thaw check saves nothing: run the same command again",
	.run = run_check,
	.print = print_check,
};
