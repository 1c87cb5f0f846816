/* thaw rank: which of some networks to take for a dataset. */
#include <limits.h>
#include <string.h>

#include "src/cli/command.h"
#include "src/cli/progress.h"
#include "src/cli/text.h"
#include "thaw/advise.h"
#include "thaw/transform.h"

#define MAX_LANES   65536
#define MAX_THREADS 1024
#define BELOW_ONE   0.999999
#define RANK        "Ranking"

#define FEW_IMAGES   5 /* of a class: with less, one image left out is much of what its class is known by */
#define NAME_COLUMNS 32
#define TEXT_SIZE    256 /* bytes of a name */
#define NUMBER_SIZE  32

struct values {
	struct common common;
	struct thaw_advise_options rank;
};

#define AT(field) .offset = offsetof(struct values, rank.field)

/* A line for what an option is, a line for what it says. */
/* clang-format off */
static const struct option options[] = {
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, AT(data), .section = RANK, .required = true,
	 .help = "the dataset, as for thaw train; its training images alone are looked at"},
	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, AT(test_share), .section = RANK, .min = 0,
	 .max = BELOW_ONE,
	 .help = "share of each class held out when D has no test images of its own; as the training will have it"},
	{.name = "per-class", .metavar = "N", .type = OPTION_LONG, AT(per_class), .section = RANK, .min = 0,
	 .max = INFINITY, .absent = "up to 2048 images in all",
	 .help = "look at only so many images of each class"},
	{.name = "size", .metavar = "S", .type = OPTION_INT, AT(size), .section = RANK, .min = 0, .max = THAW_MAX_SIDE,
	 .absent = "each network's own",
	 .help = "side of the input in pixels"},
	{.name = "lanes", .metavar = "L", .type = OPTION_INT, AT(lanes), .section = RANK, .min = 0, .max = MAX_LANES,
	 .absent = "8, or the rank count if larger",
	 .help = "slices that the images are spread in"},
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, AT(seed), .section = RANK, .min = 0, .max = INFINITY,
	 .help = "of the choice of images, and of random weights"},
	{.name = "decode-threads", .metavar = "N", .type = OPTION_INT, AT(decode_threads), .section = RANK, .min = 1,
	 .max = MAX_THREADS,
	 .help = "threads that read and decode images, per rank"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	thaw_advise_defaults(&((struct values *)values)->rank);
}

static thaw_status run(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	thaw_status status = thaw_compare(session->comm, &v->rank, (const char *const *)session->settings->arguments,
					  session->settings->argument_count, &callbacks, result);
	progress_end(&progress);
	return status;
}

/* The end of a model's name, since that tells files apart, in as many columns. Returns text. */
static const char *short_name(const json_t *network, int columns, char *text, size_t size)
{
	const char *name = member_text(network, "model");
	bool cut = text_columns(name) > columns;
	while (cut && (text_columns(name) > columns - 3 || (*name & 0xc0) == 0x80)) /* not within a UTF-8 sequence */
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

/* The cheapest network that the best one is not clearly better than; NULL when that is the best one itself. Random
 * weights are no advice, whatever the probe finds in them. */
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

static void print_reading(const json_t *result, FILE *out)
{
	const json_t *networks = json_object_get(result, "networks");
	const json_t *best = json_array_get(networks, 0), *cheaper = find_cheaper(networks);
	char a[TEXT_SIZE], b[TEXT_SIZE], text[4 * TEXT_SIZE];
	struct wrapped w = {.out = out};
	short_name(best, NAME_COLUMNS, a, sizeof(a));
	if (cheaper)
		snprintf(text, sizeof(text),
			 "Begin with %s; the probe of %s is not clearly lower, at %.0f %% of the time. * marks "
			 "networks that no "
			 "better one here is as fast as.",
			 a, short_name(cheaper, NAME_COLUMNS, b, sizeof(b)),
			 100 * member_real(cheaper, "milliseconds") / member_real(best, "milliseconds"));
	else
		snprintf(text, sizeof(text), "Begin with %s. * marks networks that no better one here is as fast as.",
			 a);
	fputc('\n', out);
	wrap_words(&w, text);
	fputc('\n', out);
}

static void print(const json_t *result, FILE *out)
{
	size_t i;
	json_t *network;
	fprintf(out, "%s: %.0f training images of %.0f classes\n", member_text(result, "data"),
		member_real(result, "images"), member_real(result, "classes"));
	if (member_real(result, "damaged") > 0)
		fprintf(out, "damaged and left out: %.0f\n", member_real(result, "damaged"));
	if (member_real(result, "classes_of_one_image") > 0)
		fprintf(out, "classes with a single image, which no probe can get right: %.0f\n",
			member_real(result, "classes_of_one_image"));
	if (member_real(result, "images") < FEW_IMAGES * member_real(result, "classes"))
		fprintf(out,
			"fewer than %d images a class: the probe, which does without one, is low; its order counts\n",
			FEW_IMAGES);
	fprintf(out, "\n  %-*s%12s %8s %8s %8s %8s %8s %8s\n", NAME_COLUMNS, "network", "probe %", "LogME", "H-score",
		"LEEP", "ms", "MFLOP", "weights");
	json_array_foreach(json_object_get(result, "networks"), i, network) print_network(network, out);
	print_reading(result, out);
}

const struct command command_rank = {
	.name = "rank",
	.usage = "--data D M... [flags]",
	.summary = "which of some networks suits a dataset",
	.about = "Shows the dataset's training images to each network M, as thaw train takes one, and scores what it "
		 "makes "
		 "of them before its classifier: by a linear probe, with the share of images that a probe of all "
		 "others gets right and its standard error; by LogME, H-score and LEEP. Beside that stands what an "
		 "image costs. Nothing is trained.",
	.min_arguments = 1,
	.max_arguments = INT_MAX,
	.argument = "M",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.run = run,
	.print = print,
};
