/* thaw verify: what has changed since a run. */
#include "thaw/verify.h"

#include <string.h>

#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "src/cli/signals.h"

#define CHECK "Verification"
#define SHOWN 20 /* names of each kind */

struct values {
	struct common common;
	const char *data, *manifest;
	long long retrain;
	int decode_threads;
	bool mixed_machines;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, data),
	 .section = CHECK, .absent = "the folder that the run recorded",
	 .help = "dataset of the run, where it has moved"},
	{.name = "manifest", .metavar = "F", .type = OPTION_TEXT, .offset = offsetof(struct values, manifest),
	 .section = CHECK, .absent = "the file that the run recorded, unless --data is given",
	 .help = "manifest of the run, where it has moved"},
	{.name = "retrain", .metavar = "STEPS", .type = OPTION_LONG, .offset = offsetof(struct values, retrain),
	 .section = CHECK, .min = 0, .max = INFINITY,
	 .help = "repeat so many steps from the oldest checkpoint, or from the start, and compare the bits"},
	{.name = "mixed-machines", .type = OPTION_FLAG, .offset = offsetof(struct values, mixed_machines),
	 .section = CHECK,
	 .help = "repeat them with another BLAS kernel than that of the run, too"},
	DECODE_THREADS_OPTION(CHECK, offsetof(struct values, decode_threads)),
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	v->decode_threads = 1;
}

static bool stop_requested(void *context)
{
	(void)context;
	return thaw_stop_requested() != 0;
}

static thaw_status run_verify(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	callbacks.stop = stop_requested;
	const struct thaw_verify_options verify = {
		.run = session->settings->arguments[0],
		.data = v->data,
		.manifest = v->manifest,
		.retrain = v->retrain,
		.decode_threads = v->decode_threads,
		.mixed_machines = v->mixed_machines,
	};
	thaw_status status = thaw_verify(session->comm, &verify, &callbacks, result);
	progress_end(&progress);
	return status;
}

static void print_lines(const json_t *lines, const char *label, FILE *out)
{
	size_t i;
	json_t *line;
	json_array_foreach(lines, i, line)
	{
		fprintf(out, "%s: %s\n", label, json_string_value(line));
	}
}

static void print_names(const json_t *images, const char *kind, FILE *out)
{
	char key[32];
	snprintf(key, sizeof(key), "%s_images", kind);
	const json_t *names = json_object_get(images, key);
	double count = member_real(images, kind), shown = 0;
	for (; shown < (double)json_array_size(names) && shown < SHOWN; shown++)
		fprintf(out, "  %s: %s\n", kind, json_string_value(json_array_get(names, (size_t)shown)));
	if (count > shown && shown > 0)
		fprintf(out, "  %s: %.0f more\n", kind, count - shown);
}

static void print_images(const json_t *images, FILE *out)
{
	static const char *const kinds[] = {"changed", "gone", "unreadable", "added"};
	if (!images)
		return;
	fprintf(out, "images: %.0f of %.0f unchanged\n", member_real(images, "unchanged"),
		member_real(images, "count"));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		print_names(images, kinds[i], out);
	if (json_object_get(images, "digest"))
		fprintf(out, "digest of all images: %s\n", member_text(images, "digest"));
}

static void print_files(const json_t *files, FILE *out)
{
	size_t i, good = 0;
	json_t *file;
	json_array_foreach(files, i, file)
	{
		good += strcmp(member_text(file, "status"), "unchanged") == 0;
	}
	fprintf(out, "files: %zu of %zu unchanged\n", good, json_array_size(files));
}

static void print_retrain(const json_t *retrain, FILE *out)
{
	const char *with = member_text(retrain, "compared_with");
	if (!retrain)
		return;
	fprintf(out, "repeated: steps %.0f to %.0f: weights %s%s%s, metrics %s\n", member_real(retrain, "from") + 1,
		member_real(retrain, "to"), member_text(retrain, "weights"), *with ? " to " : "", with,
		member_text(retrain, "metrics"));
}

static void print_verify(const json_t *result, FILE *out)
{
	print_lines(json_object_get(result, "changes"), "changed", out);
	print_images(json_object_get(result, "images"), out);
	print_files(json_object_get(result, "files"), out);
	print_retrain(json_object_get(result, "retrain"), out);
	print_lines(json_object_get(result, "notes"), "note", out);
	if (!json_is_true(json_object_get(result, "changed")))
		fprintf(out, "nothing has changed since the run\n");
}

const struct command command_verify = {
	.name = "verify",
	.usage = "RUN [flags]",
	.summary = "check what has changed since a run",
	.about =
		"Compares a run directory with what is there now: the images that it was trained on, by the digests of "
		"their bytes, the trained network, the checkpoints, and the network that it started from. Exits with "
		"65 if anything has changed. --retrain also repeats some of its steps and compares the bits.",
	.min_arguments = 1,
	.max_arguments = 1,
	.argument = "RUN",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.stops = "asked to stop: thaw verify changes nothing",
	.run = run_verify,
	.print = print_verify,
};
