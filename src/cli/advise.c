/* thaw advise: how much of a network to unfreeze for a dataset. */
#include "thaw/advise.h"

#include "src/cli/advise_page.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/image_options.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"

#define WHAT "Model and data"
#define PLAN "Plan"
#define RUN  "Run"

struct values {
	struct common common;
	struct thaw_advise_options advise;
	const char *size;
	const char *precision; /* word for advise.precision */
};

#define OFFSET(field) offsetof(struct values, advise.field)
#define AT(field)     .offset = OFFSET(field)

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, AT(model), .section = WHAT,
	 .help = "pretrained network, as for thaw train"},
	WEIGHTS_KEY_OPTION(WHAT, OFFSET(weights_key)),
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, AT(data), .section = WHAT, .required = true,
	 .unless = "manifest", .help = "dataset, as for thaw train; only its training images are used"},
	MANIFEST_OPTIONS(WHAT, OFFSET(manifest)),
	EXCLUDE_OPTION(WHAT, OFFSET(exclude), ""),
	SIZE_OPTION(WHAT, offsetof(struct values, size)),
	PREPROCESS_OPTIONS(WHAT, OFFSET(images)),
	PRECISION_OPTION(WHAT, offsetof(struct values, precision), NULL),
	PER_CLASS_OPTION(WHAT, OFFSET(per_class), "all", "advise for training on at most N images of each class"),
	{.name = "ranks", .metavar = "N", .type = OPTION_INT, AT(ranks), .section = PLAN, .min = 0, .max = MAX_LANES,
	 .absent = "the current number",
	 .help = "number of ranks of the training"},
	{.name = "budget", .metavar = "TIME", .type = OPTION_TEXT, AT(budget), .section = PLAN, .absent = "none",
	 .help = "limit of the training time: 2h, 90m, \"30 core-hours\"; selects the best plan within it"},
	{.name = "history", .metavar = "DIR", .type = OPTION_TEXT, AT(history), .section = PLAN, .absent = "none",
	 .help = "folder of runs that followed earlier plans: reports how accurate their predictions were, and corrects "
		 "the ranges"},
	{.name = "out", .metavar = "DIR", .type = OPTION_TEXT, AT(out), .section = PLAN,
	 .help = "folder to write advice.json and plan.json (for thaw train --plan) to"},

	TEST_SHARE_OPTION(RUN, OFFSET(test_share), ""),
	PARTS_OPTIONS(RUN, OFFSET(parts)),
	LANES_OPTION(RUN, OFFSET(lanes), DEFAULT_LANES_TEXT, "data slices whose results are summed"),
	SEED_OPTION(RUN, OFFSET(seed), "seed of all random numbers"),
	DECODE_THREADS_OPTION(RUN, OFFSET(decode_threads)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_advise_defaults(&v->advise);
	v->precision = "fp32";
}

static thaw_status run_advise(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	struct thaw_advise_options advise = v->advise;
	advise.size = size_of(v->size);
	advise.precision = thaw_precision_find(v->precision);
	network_log_precision(session->comm, advise.precision);
	thaw_status status = thaw_advise(session->comm, &advise, &callbacks, result);
	progress_end(&progress);
	return status;
}

const struct command command_advise = {
	.name = "advise",
	.usage = "--model M --data D [flags]",
	.summary = "measure how much of a network to unfreeze for a dataset",
	.about =
		"Runs the training images through the network once, fits linear probes to the features at several "
		"depths, trains a few cuts for a short time, and reports what to train, the accuracy to expect and the "
		"cost.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "thaw: asked to stop: thaw advise saves nothing: run the same command again",
	.run = run_advise,
	.print = advise_page_print,
};
