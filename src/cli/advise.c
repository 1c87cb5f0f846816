/* thaw advise: how much of a network to unfreeze for a dataset. */
#include "thaw/advise.h"

#include "src/cli/advise_page.h"
#include "src/cli/command.h"
#include "src/cli/progress.h"
#include "thaw/transform.h"

#define MAX_LANES   65536
#define MAX_THREADS 1024
#define BELOW_ONE   0.999999
#define WHAT        "What"
#define PLAN        "Plan"
#define RUN         "Run"

struct values {
	struct common common;
	struct thaw_advise_options advise;
};

#define AT(field) .offset = offsetof(struct values, advise.field)

/* A line for what an option is, a line for what it says. */
/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, AT(model), .section = WHAT,
	 .help = "the pretrained network, as for thaw train"},
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, AT(data), .section = WHAT, .required = true,
	 .help = "the dataset, as for thaw train; only its training images are looked at"},
	{.name = "size", .metavar = "S", .type = OPTION_INT, AT(size), .section = WHAT, .min = 0, .max = THAW_MAX_SIDE,
	 .absent = "the network's own",
	 .help = "side of the input in pixels"},
	{.name = "per-class", .metavar = "N", .type = OPTION_LONG, AT(per_class), .section = WHAT, .min = 0,
	 .max = INFINITY, .absent = "all",
	 .help = "advise for a training on only so many images of each class"},
	{.name = "ranks", .metavar = "N", .type = OPTION_INT, AT(ranks), .section = PLAN, .min = 0, .max = MAX_LANES,
	 .absent = "as many as now",
	 .help = "ranks that the training will have"},
	{.name = "budget", .metavar = "TIME", .type = OPTION_TEXT, AT(budget), .section = PLAN, .absent = "any",
	 .help = "what the training may take: 2h, 90m, \"30 core-hours\"; the best plan that fits is advised"},
	{.name = "history", .metavar = "DIR", .type = OPTION_TEXT, AT(history), .section = PLAN, .absent = "none",
	 .help = "folder of runs that followed earlier plans: shows how good the advice was, and corrects its ranges"},
	{.name = "out", .metavar = "DIR", .type = OPTION_TEXT, AT(out), .section = PLAN,
	 .help = "folder that receives plan.json, for thaw train --plan, and advice.json"},

	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, AT(test_share), .section = RUN, .min = 0,
	 .max = BELOW_ONE,
	 .help = "share of each class held out when D has no test images of its own"},
	{.name = "lanes", .metavar = "L", .type = OPTION_INT, AT(lanes), .section = RUN, .min = 0, .max = MAX_LANES,
	 .absent = "8, or the rank count if larger",
	 .help = "slices that the sums run over"},
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, AT(seed), .section = RUN, .min = 0, .max = INFINITY,
	 .help = "of everything random"},
	{.name = "decode-threads", .metavar = "N", .type = OPTION_INT, AT(decode_threads), .section = RUN, .min = 1,
	 .max = MAX_THREADS,
	 .help = "threads that read and decode images, per rank"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	thaw_advise_defaults(&((struct values *)values)->advise);
}

static thaw_status run(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	callbacks.stop = stop_requested;
	thaw_status status = thaw_advise(session->comm, &v->advise, &callbacks, result);
	progress_end(&progress);
	return status;
}

const struct command command_advise = {
	.name = "advise",
	.usage = "--model M --data D [flags]",
	.summary = "how much of a network to unfreeze for a dataset, measured",
	.about =
		"Looks at the training images through the network once, probes what each depth knows of their "
		"classes, tries a few cuts for a short while, and says what to train, what to expect of it and what it "
		"costs.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.stops = true,
	.run = run,
	.print = advise_page_print,
};
