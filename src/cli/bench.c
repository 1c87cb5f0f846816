/* thaw bench: how fast this machine trains a network. */
#include "thaw/bench.h"

#include <string.h>

#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/network.h"
#include "src/cli/result.h"
#include "src/cli/suggest.h"

#define MAX_BATCH     65536
#define MAX_STEPS     100000
#define MAX_STEP_TIME 1e6 /* seconds */
#define BENCH         "Bench"

struct values {
	struct common common;
	struct thaw_bench_options bench;
	const char *bn, *precision; /* words for the enums of `bench` */
	const char *size;
	bool reduce;
	double step_time; /* seconds; 0: measured */
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
	TUNE_OPTION(BENCH, offsetof(struct values, bench.tune)),
	RECOMPUTE_OPTION(BENCH, offsetof(struct values, bench.recompute)),
	{.name = "bn", .metavar = "HOW", .type = OPTION_TEXT, .offset = offsetof(struct values, bn), .section = BENCH, .choices = "frozen|lane",
	 .help = "batch norm in the trained part"},
	{.name = "batch", .metavar = "B", .type = OPTION_INT, AT(batch), .section = BENCH, .min = 1, .max = MAX_BATCH,
	 .help = "images per step on each rank"},
	PRECISION_OPTION(BENCH, offsetof(struct values, precision), NULL),
	SIZE_OPTION(BENCH, offsetof(struct values, size)),
	{.name = "steps", .metavar = "N", .type = OPTION_INT, AT(steps), .section = BENCH, .min = 1, .max = MAX_STEPS,
	 .help = "number of measured steps; the median is reported"},
	{.name = "reduce", .type = OPTION_FLAG, .offset = offsetof(struct values, reduce), .section = BENCH,
	 .help = "measure the reduction of gradients between the ranks, and predict the efficiency on 1 to 1,024 ranks"},
	{.name = "step-time", .metavar = "S", .type = OPTION_REAL, .offset = offsetof(struct values, step_time), .section = BENCH,
	 .min = 0, .max = MAX_STEP_TIME, .absent = "measured",
	 .help = "with --reduce: seconds of a step on one rank"},
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
	bench.size = size_of(v->size);
	bench.precision = thaw_precision_find(v->precision);
	network_log_precision(session->comm, bench.precision);
	if (v->reduce)
		return thaw_bench_reduce(session->comm, &bench, v->step_time, result);
	if (v->step_time > 0.0)
		return thaw_fail(THAW_USAGE, "--step-time without --reduce: it is for the prediction: add --reduce");
	return thaw_bench(session->comm, &bench, result);
}

static void print_reduce(const json_t *result, FILE *out)
{
	size_t i;
	json_t *row;
	fprintf(out, "reduction over %.0f ranks, %.0f per node: %.0f us per message, %.2f Gbit/s per node\n",
		member_real(result, "ranks"), member_real(result, "ranks_per_node"), member_real(result, "latency_us"),
		member_real(result, "gbit_per_second"));
	if (json_is_string(json_object_get(result, "note")))
		fprintf(out, "note: %s\n", member_text(result, "note"));
	fprintf(out, "%12s %12s\n", "bytes", "ms");
	json_array_foreach(json_object_get(result, "sizes"), i, row)
		fprintf(out, "%12.0f %12.3f\n", member_real(row, "bytes"), member_real(row, "ms"));
	fprintf(out,
		"\n%s, %.0f images on each rank, unfreeze %s: %.1f MB of gradients, %.3f s per step on one rank, %.3f "
		"s more for the exchange\n",
		member_text(result, "network"), member_real(result, "batch"), member_text(result, "unfreeze"),
		1e-6 * member_real(result, "gradient_bytes"), member_real(result, "step_seconds"),
		member_real(result, "exchange_seconds"));
	fprintf(out, "%8s %8s %12s %12s %12s\n", "ranks", "nodes", "s per step", "images/s", "efficiency");
	json_array_foreach(json_object_get(result, "scaling"), i, row)
		fprintf(out, "%8.0f %8.0f %12.3f %12.2f %10.0f %%\n", member_real(row, "ranks"),
			member_real(row, "nodes"), member_real(row, "step_seconds"),
			member_real(row, "images_per_second"), 100 * member_real(row, "efficiency"));
}

static void print_layers(const json_t *result, FILE *out)
{
	size_t i;
	json_t *layer;
	fprintf(out, "%-36s %-12s %11s %11s %9s %9s\n", "layer", "operator", "forward ms", "backward ms", "GFLOP/s",
		"% of peak");
	json_array_foreach(json_object_get(result, "layers"), i, layer)
		fprintf(out, "%-36s %-12s %11.2f %11.2f %9.1f %9.0f\n", member_text(layer, "name"),
			member_text(layer, "op"), member_real(layer, "forward_ms"), member_real(layer, "backward_ms"),
			member_real(layer, "gflops"), 100 * member_real(layer, "peak_share"));
}

static void print_steps(const json_t *result, FILE *out)
{
	const json_t *side = json_object_get(result, "size");
	struct thaw_size size =
		json_is_string(side) ? size_of(json_string_value(side)) : thaw_square((int)json_integer_value(side));
	fprintf(out, "%s, %d x %d, %.0f images on each of %.0f ranks, unfreeze %s, batch norm %s\n",
		member_text(result, "network"), size.height, size.width, member_real(result, "batch"),
		member_real(result, "ranks"), member_text(result, "unfreeze"), member_text(result, "bn"));
	if (json_is_string(json_object_get(result, "notes")))
		fprintf(out, "network: %s\n", member_text(result, "notes"));
	fprintf(out, "%.2f images/s, %.0f %% of sgemm's %.0f GFLOP/s (%s), ", member_real(result, "images_per_second"),
		100 * member_real(result, "gemm_peak_share"), member_real(result, "gemm_peak_gflops"),
		member_text(result, "blas_kernel"));
	if (json_object_get(result, "bf16_peak_gflops"))
		fprintf(out, "%.0f %% of bfloat16's %.0f GFLOP/s, ", 100 * member_real(result, "bf16_peak_share"),
			member_real(result, "bf16_peak_gflops"));
	fprintf(out, "%.0f MiB on the largest rank, %.0f MiB of it for values between layers\n",
		member_real(result, "peak_rss_bytes") / (1 << 20), member_real(result, "tail_bytes") / (1 << 20));
	print_layers(result, out);
}

static void print_bench(const json_t *result, FILE *out)
{
	if (json_object_get(result, "scaling"))
		print_reduce(result, out);
	else
		print_steps(result, out);
}

const struct command command_bench = {
	.name = "bench",
	.usage = "[--model M] [flags]",
	.summary = "measure how fast this machine trains a network",
	.about =
		"Runs training steps on random images, one lane per rank, and times each layer. Operations are counted "
		"as in a plain convolution, so Winograd convolutions can exceed the peak, which is that of sgemm, or "
		"in bf16 that of the processor's arithmetic for bfloat16. "
		"With --reduce: measures the sum of gradients between the ranks of the job and the step without it, "
		"and "
		"prints what to expect of more ranks (docs/scaling.md).",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.run = run_bench,
	.print = print_bench,
};
