/* thaw compare: which of several networks to use for a dataset. */
#include <limits.h>
#include <string.h>

#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/display_text.h"
#include "src/cli/image_options.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "src/cli/wrap.h"
#include "thaw/advise.h"

#define COMPARISON   "Comparison"
#define FEW_IMAGES   5 /* per class: with fewer, leaving one image out removes much of what is known about its class */
#define NAME_COLUMNS 32
#define TEXT_SIZE    256 /* bytes of a name */
#define NUMBER_SIZE  32

struct values {
	struct common common;
	struct thaw_advise_options compare;
	const char *size;
	const char *precision; /* word for compare.precision */
};

#define OFFSET(field) offsetof(struct values, compare.field)

/* clang-format off */
static const struct option options[] = {
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = OFFSET(data), .section = COMPARISON,
	 .required = true, .unless = "manifest",
	 .help = "dataset, as for thaw train; only its training images are used"},
	MANIFEST_OPTIONS(COMPARISON, OFFSET(manifest)),
	WEIGHTS_KEY_OPTION(COMPARISON, OFFSET(weights_key)),
	EXCLUDE_OPTION(COMPARISON, OFFSET(exclude), ""),
	TEST_SHARE_OPTION(COMPARISON, OFFSET(test_share), "; use the value of the training"),
	PARTS_OPTIONS(COMPARISON, OFFSET(parts)),
	PER_CLASS_OPTION(COMPARISON, OFFSET(per_class), "up to 2048 images in total", "use at most N images of each class"),
	SIZE_OPTION(COMPARISON, offsetof(struct values, size)),
	PREPROCESS_OPTIONS(COMPARISON, OFFSET(images)),
	PRECISION_OPTION(COMPARISON, offsetof(struct values, precision), NULL),
	LANES_OPTION(COMPARISON, OFFSET(lanes), DEFAULT_LANES_TEXT, "data slices that the images are divided into"),
	SEED_OPTION(COMPARISON, OFFSET(seed), "seed of the choice of images and of random weights"),
	DECODE_THREADS_OPTION(COMPARISON, OFFSET(decode_threads)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_advise_defaults(&v->compare);
	v->precision = "fp32";
}

static thaw_status run_compare(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	struct thaw_advise_options compare = v->compare;
	compare.size = size_of(v->size);
	compare.precision = thaw_precision_find(v->precision);
	network_log_precision(session->comm, compare.precision);
	thaw_status status = thaw_compare(session->comm, &compare, (const char *const *)session->settings->arguments,
					  session->settings->argument_count, &callbacks, result);
	progress_end(&progress);
	return status;
}

/* The end of a model's name, at most `columns` wide: the ends of paths differ. Returns text. */
static const char *short_name(const json_t *network, int columns, char *text, size_t size)
{
	const char *name = member_text(network, "model");
	bool cut = text_columns(name) > columns;
	while (cut && (text_columns(name) > columns - 3 || (*name & 0xc0) == 0x80)) /* not inside a UTF-8 sequence */
		name++;
	snprintf(text, size, "%s%s", cut ? "..." : "", name);
	return text;
}

static void print_name(const json_t *network, FILE *out)
{
	const char *random = json_is_true(json_object_get(network, "pretrained")) ? "" : " (random)";
	char name[TEXT_SIZE], text[2 * TEXT_SIZE];
	short_name(network, NAME_COLUMNS - text_columns(random), name, sizeof(name));
	snprintf(text, sizeof(text), "%s%s", name, random);
	text_pad(out, text, NAME_COLUMNS);
}

static void print_network(const json_t *network, FILE *out)
{
	char leep[NUMBER_SIZE] = "-", parameters[NUMBER_SIZE];
	const double ms = member_real(network, "milliseconds");
	if (json_is_real(json_object_get(network, "leep")))
		snprintf(leep, sizeof(leep), "%.3f", member_real(network, "leep"));
	fputs(json_is_true(json_object_get(network, "pareto")) ? "* " : "  ", out);
	print_name(network, out);
	fprintf(out, "%6.1f ±%4.1f %8.3f %8.3f %8s %8.*f %8.0f %8s\n", 100 * member_real(network, "probe"),
		100 * member_real(network, "error"), member_real(network, "logme"), member_real(network, "h_score"),
		leep, ms < 10 ? 2 : 1, ms, member_real(network, "mflop"),
		text_count(member_real(network, "parameters"), parameters, sizeof(parameters)));
}

/* The cheapest pretrained network whose probe is within one standard error of the best one; NULL if that is the best
 * one itself. Networks with random weights are never recommended, whatever their probe. */
static const json_t *find_cheaper(const json_t *networks)
{
	const json_t *best = json_array_get(networks, 0), *cheapest = best;
	size_t i;
	json_t *n;
	json_array_foreach(networks, i, n)
	{
		bool near = member_real(n, "probe") >= member_real(best, "probe") - member_real(best, "error");
		if (near && json_is_true(json_object_get(n, "pretrained")) &&
		    member_real(n, "milliseconds") < member_real(cheapest, "milliseconds"))
			cheapest = n;
	}
	return cheapest == best ? NULL : cheapest;
}

static void print_recommendation(const json_t *result, FILE *out)
{
	const json_t *networks = json_object_get(result, "networks");
	const json_t *best = json_array_get(networks, 0), *cheaper = find_cheaper(networks);
	char a[TEXT_SIZE], b[TEXT_SIZE], text[4 * TEXT_SIZE];
	struct wrapped w = {.out = out};
	short_name(best, NAME_COLUMNS, a, sizeof(a));
	if (cheaper)
		snprintf(text, sizeof(text),
			 "Start with %s; the probe of %s is not clearly lower, at %.0f %% of the time.", a,
			 short_name(cheaper, NAME_COLUMNS, b, sizeof(b)),
			 100 * member_real(cheaper, "milliseconds") / member_real(best, "milliseconds"));
	else
		snprintf(text, sizeof(text), "Start with %s.", a);
	fputc('\n', out);
	wrap_words(&w, text);
	wrap_words(&w, "* marks the Pareto front: no better network here is as fast.");
	fputc('\n', out);
}

static void print_compare(const json_t *result, FILE *out)
{
	size_t i;
	json_t *network;
	fprintf(out, "%s: %.0f training images of %.0f classes\n", member_text(result, "data"),
		member_real(result, "images"), member_real(result, "classes"));
	if (member_real(result, "damaged") > 0)
		fprintf(out, "damaged images skipped: %.0f\n", member_real(result, "damaged"));
	if (member_real(result, "classes_of_one_image") > 0)
		fprintf(out, "classes with a single image, which a probe cannot predict: %.0f\n",
			member_real(result, "classes_of_one_image"));
	if (member_real(result, "images") < FEW_IMAGES * member_real(result, "classes"))
		fprintf(out, "fewer than %d images per class: leave-one-out probes are too low; only compare them\n",
			FEW_IMAGES);
	fprintf(out, "\n  %-*s%12s %8s %8s %8s %8s %8s %8s\n", NAME_COLUMNS, "network", "probe %", "LogME", "H-score",
		"LEEP", "ms", "MFLOP", "weights");
	json_array_foreach(json_object_get(result, "networks"), i, network) print_network(network, out);
	print_recommendation(result, out);
}

const struct command command_compare = {
	.name = "compare",
	.usage = "--data D M... [flags]",
	.summary = "measure which of several networks suits a dataset",
	.about = "Runs the training images through each network M (as in thaw train --model) and scores the features "
		 "before the classifier: leave-one-out accuracy of a linear probe with its standard error, LogME, "
		 "H-score and LEEP. Also measures the cost of one image. Nothing is trained.",
	.min_arguments = 1,
	.max_arguments = INT_MAX,
	.argument = "M",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.run = run_compare,
	.print = print_compare,
};
