/* thaw bench: how fast this machine trains a network. */
#include "thaw/bench.h"

#include <string.h>

#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/network.h"
#include "src/cli/result.h"
#include "src/cli/suggest.h"

#define MAX_BATCH 65536
#define MAX_STEPS 100000
#define BENCH     "Bench"

struct values {
	struct common common;
	struct thaw_bench_options bench;
	const char *bn, *precision; /* words for the enums of `bench` */
};

#define AT(field) .offset = offsetof(struct values, bench.field)

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, AT(model), .section = BENCH,
	 .help = "network, as for thaw train; a family such as resnet18 needs no file"},
	WEIGHTS_KEY_OPTION(BENCH, offsetof(struct values, bench.weights_key)),
	{.name = "unfreeze", .metavar = "HOW", .type = OPTION_TEXT, AT(unfreeze), .section = BENCH,
	 .check = suggest_unfreeze,
	 .help = "what to train, as for thaw train; none: inference only"},
	{.name = "bn", .metavar = "HOW", .type = OPTION_TEXT, .offset = offsetof(struct values, bn), .section = BENCH, .choices = "frozen|lane",
	 .help = "batch norm in the trained part"},
	{.name = "batch", .metavar = "B", .type = OPTION_INT, AT(batch), .section = BENCH, .min = 1, .max = MAX_BATCH,
	 .help = "images per step on each rank"},
	PRECISION_OPTION(BENCH, offsetof(struct values, precision), NULL),
	SIZE_OPTION(BENCH, offsetof(struct values, bench.size)),
	{.name = "steps", .metavar = "N", .type = OPTION_INT, AT(steps), .section = BENCH, .min = 1, .max = MAX_STEPS,
	 .help = "number of measured steps; the median is reported"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_bench_defaults(&v->bench);
	v->bn = "frozen";
	v->precision = "fp32";
}

static thaw_status run_bench(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_bench_options bench = v->bench;
	bench.bn = strcmp(v->bn, "lane") == 0 ? THAW_BN_LANE : THAW_BN_FROZEN;
	bench.precision = thaw_precision_find(v->precision);
	network_log_precision(session->comm, bench.precision);
	return thaw_bench(session->comm, &bench, result);
}

static void print_bench(const json_t *result, FILE *out)
{
	size_t i;
	json_t *layer;
	fprintf(out, "%s, %.0f x %.0f, %.0f images on each of %.0f ranks, unfreeze %s, batch norm %s\n",
		member_text(result, "network"), member_real(result, "size"), member_real(result, "size"),
		member_real(result, "batch"), member_real(result, "ranks"), member_text(result, "unfreeze"),
		member_text(result, "bn"));
	if (json_is_string(json_object_get(result, "notes")))
		fprintf(out, "network: %s\n", member_text(result, "notes"));
	fprintf(out, "%.2f images/s, %.0f %% of sgemm's %.0f GFLOP/s (%s), %.0f MiB on the largest rank\n",
		member_real(result, "images_per_second"), 100 * member_real(result, "gemm_peak_share"),
		member_real(result, "gemm_peak_gflops"), member_text(result, "blas_kernel"),
		member_real(result, "peak_rss_bytes") / (1 << 20));
	fprintf(out, "%-36s %-12s %11s %11s %9s\n", "layer", "operator", "forward ms", "backward ms", "GFLOP/s");
	json_array_foreach(json_object_get(result, "layers"), i, layer) fprintf(
		out, "%-36s %-12s %11.2f %11.2f %9.1f\n", member_text(layer, "name"), member_text(layer, "op"),
		member_real(layer, "forward_ms"), member_real(layer, "backward_ms"), member_real(layer, "gflops"));
}

const struct command command_bench = {
	.name = "bench",
	.usage = "[--model M] [flags]",
	.summary = "measure how fast this machine trains a network",
	.about =
		"Runs training steps on random images, one lane per rank, and times each layer. Operations are counted "
		"as in a plain convolution, so Winograd convolutions can exceed the peak of sgemm.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.run = run_bench,
	.print = print_bench,
};
