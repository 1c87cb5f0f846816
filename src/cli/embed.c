/* thaw embed: the features of a dataset, as a file. */
#include "thaw/embed.h"

#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/eval_data.h"
#include "src/cli/failure.h"
#include "src/cli/image_options.h"
#include "src/cli/network.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"

#define EMBED "Features"
#define DATA  "Dataset"

struct values {
	struct common common;
	const char *precision, *model, *weights_key, *from, *data, *split, *exclude, *out, *size;
	int decode_threads;
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
	double test_share, max_damaged;
	long long seed;
	struct thaw_preprocess_override images;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, .offset = offsetof(struct values, model),
	 .section = EMBED, .required = true,
	 .help = "run directory, or any network that thaw train --model accepts"},
	WEIGHTS_KEY_OPTION(EMBED, offsetof(struct values, weights_key)),
	{.name = "out", .metavar = "FILE", .type = OPTION_TEXT, .offset = offsetof(struct values, out), .section = EMBED,
	 .required = true,
	 .help = "file to write, called .npy or .safetensors; FILE.tsv beside it, such as x.npy.tsv, names the image of each row"},
	FROM_OPTION(EMBED, offsetof(struct values, from)),
	SIZE_OPTION(EMBED, offsetof(struct values, size)),
	PREPROCESS_OPTIONS(EMBED, offsetof(struct values, images)),
	PRECISION_OPTION(EMBED, offsetof(struct values, precision), "that of the run, else fp32"),
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, data),
	 .section = DATA, .required = true, .unless = "manifest", .help = "dataset, as for thaw train"},
	MANIFEST_OPTIONS(DATA, offsetof(struct values, manifest)),
	{.name = "split", .metavar = "WHICH", .type = OPTION_TEXT, .offset = offsetof(struct values, split),
	 .section = DATA, .choices = "train|val|test|all",
	 .help = "which images of the dataset to use; all: those of a folder without splits"},
	EXCLUDE_OPTION(DATA, offsetof(struct values, exclude), ""),
	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, .offset = offsetof(struct values, test_share),
	 .section = DATA, .min = 0, .max = BELOW_ONE, .absent = "that of the run, else 0.2",
	 .help = "fraction of each class held out for testing if D has no test images"},
	PARTS_OPTIONS(DATA, offsetof(struct values, parts)),
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, .offset = offsetof(struct values, seed), .section = DATA,
	 .min = 0, .max = INFINITY, .absent = "that of the run, else 1",
	 .help = "seed of that selection"},
	{.name = "max-damaged", .metavar = "X", .type = OPTION_REAL, .offset = offsetof(struct values, max_damaged),
	 .section = DATA, .min = 0, .max = 1, .absent = "a tenth, but at least 10 images",
	 .help = "fraction of the images that may be damaged, missing or unreadable; with more, embed fails"},
	DECODE_THREADS_OPTION(DATA, offsetof(struct values, decode_threads)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	v->split = "all";
	v->test_share = -1;
	v->max_damaged = train.max_damaged;
	v->seed = -1;
	v->decode_threads = train.decode_threads;
}

static struct network_choice choose_network(const struct values *v)
{
	return (struct network_choice){v->model, v->from, v->weights_key, &v->images, v->size, false};
}

static thaw_status load(const struct session *session, const struct values *v, struct thaw_model **model,
			struct eval_data *data)
{
	const struct eval_choice choice = {.model = v->model,
					   .data = v->data,
					   .split = v->split,
					   .exclude = v->exclude,
					   .test_share = v->test_share,
					   .seed = v->seed,
					   .manifest = v->manifest,
					   .parts = v->parts};
	const struct network_choice network = choose_network(v);
	THAW_TRY(eval_data_open(data, &choice));
	return network_load(session, model, &network, 0, v->seed < 0 ? 1 : (uint64_t)v->seed);
}

static thaw_status run_embed(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	const struct thaw_embed_options o = {v->out, v->decode_threads, v->max_damaged};
	const struct network_choice network = choose_network(v);
	struct thaw_model *model = NULL;
	struct eval_data data = {0};
	struct progress progress;
	thaw_status status;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	THAW_TRY_OUT(failure_agree(session->comm, load(session, v, &model, &data)));
	eval_data_log(&data, session->comm, thaw_dataset_place(v->data, &v->manifest));
	network_log(session, model, &network);
	THAW_TRY_OUT(network_set_precision(session, model, &network, v->precision));
	THAW_TRY_OUT(thaw_embed(session->comm, model, &data.dataset, &o, &callbacks, result));
out:
	progress_end(&progress);
	thaw_dataset_close(&data.dataset);
	thaw_model_destroy(model);
	return status;
}

static void print_embed(const json_t *result, FILE *out)
{
	double damaged = member_real(result, "damaged"), before = member_real(result, "continued_at");
	fprintf(out, "%s: features of %.0f images, %.0f each", member_text(result, "out"),
		member_real(result, "images"), member_real(result, "width"));
	if (damaged > 0)
		fprintf(out, "; %.0f damaged images have NaN", damaged);
	if (before > 0)
		fprintf(out, "; %.0f were there", before);
	fputc('\n', out);
}

const struct command command_embed = {
	.name = "embed",
	.usage = "--model M --data D --out FILE [flags]",
	.summary = "write the features of images to a file",
	.about = "Features are what the classifier of the network reads, one row per image, in the order of the "
		 "dataset. "
		 "Ranks share the images; the bytes do not depend on their number. The same command continues an "
		 "interrupted start.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "thaw: asked to stop: rows that are written stay in FILE.partial: run the same command again",
	.run = run_embed,
	.print = print_embed,
};
