/* thaw networks: pretrained networks that this version reads, and what files at hand are. Rank 0 does the work. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "src/base/size_text.h"
#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/display_text.h"
#include "src/cli/result.h"
#include "thaw/bench.h"
#include "thaw/catalogue.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"

#define NETWORKS      "Networks"
#define DEFAULT_LIMIT 25
#define NUMBER_SIZE   32 /* bytes of a number as text */

struct values {
	struct common common;
	const char *fits, *faster_than, *find, *licence;
	int limit, batch;
};

/* "30ms" or "0.03s" in seconds; 0: neither. */
static double parse_time(const char *text)
{
	char *end;
	double number = strtod(text, &end);
	const double unit = strcmp(end, "ms") == 0 ? 1e-3 : strcmp(end, "s") == 0 ? 1 : 0;
	return number > 0 && isfinite(number) ? number * unit : 0;
}

static thaw_status check_time(const char *text, const char *place)
{
	if (parse_time(text) > 0)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "not a time: %s: give one such as 30ms or 0.5s", place);
}

static thaw_status check_bytes(const char *text, const char *place)
{
	size_t bytes;
	if (thaw_parse_size(text, &bytes) && bytes > 0)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "not a size: %s: give one such as 8G", place);
}

/* clang-format off */
static const struct option options[] = {
	{.name = "fits", .metavar = "BYTES", .type = OPTION_TEXT, .offset = offsetof(struct values, fits),
	 .section = NETWORKS, .check = check_bytes, .absent = "no limit",
	 .help = "networks of which a rank can train all layers in so much memory, such as 8G"},
	{.name = "batch", .metavar = "N", .type = OPTION_INT, .offset = offsetof(struct values, batch),
	 .section = NETWORKS, .min = 1, .max = 65536, .help = "images per step and rank of that training"},
	{.name = "faster-than", .metavar = "TIME", .type = OPTION_TEXT, .offset = offsetof(struct values, faster_than),
	 .section = NETWORKS, .check = check_time, .absent = "no limit",
	 .help = "networks that take less time for an image on one core of this machine, such as 30ms"},
	{.name = "find", .metavar = "TEXT", .type = OPTION_TEXT, .offset = offsetof(struct values, find),
	 .section = NETWORKS, .absent = "all", .help = "networks with this text in their name"},
	{.name = "licence", .metavar = "TEXT", .type = OPTION_TEXT, .offset = offsetof(struct values, licence),
	 .section = NETWORKS, .absent = "all", .help = "networks with this text in their licence, such as apache"},
	{.name = "limit", .metavar = "N", .type = OPTION_INT, .offset = offsetof(struct values, limit),
	 .section = NETWORKS, .min = 0, .max = 100000, .help = "networks to list, the most accurate ones; 0: all"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	v->limit = DEFAULT_LIMIT;
	v->batch = 4;
}

/* Speed of products on this core in GFLOP/s. */
static thaw_status measure(double *gflops)
{
	float *memory = thaw_alloc(THAW_BENCH_GEMM_FLOATS, sizeof(*memory));
	if (!memory)
		return THAW_RESOURCE;
	*gflops = thaw_bench_gemm(memory);
	thaw_free(memory);
	return THAW_OK;
}

static bool is_wanted(const struct thaw_network *n, const struct values *v, double gflops)
{
	size_t bytes = 0;
	if (v->fits && (!thaw_parse_size(v->fits, &bytes) || thaw_network_bytes(n, v->batch) > (double)bytes))
		return false;
	if (v->faster_than && thaw_network_seconds(n, gflops) >= parse_time(v->faster_than))
		return false;
	return (!v->find || strcasestr(n->name, v->find)) && (!v->licence || strcasestr(n->licence, v->licence));
}

static json_t *network_json(const struct thaw_network *n, const struct values *v, double gflops)
{
	return json_pack("{s:s, s:s, s:f, s:f, s:i, s:I, s:I, s:f, s:f, s:s, s:i}", "name", n->name, "family",
			 n->family, "top1", n->top1, "top5", n->top5, "size", n->size, "parameters",
			 (json_int_t)n->parameters, "multiply_adds", (json_int_t)n->multiply_adds, "milliseconds",
			 1e3 * thaw_network_seconds(n, gflops), "training_bytes", thaw_network_bytes(n, v->batch),
			 "licence", n->licence, "year", n->year);
}

static thaw_status list_networks(const struct values *v, json_t **result)
{
	struct thaw_catalogue c = {0};
	double gflops = 0;
	int found = 0;
	json_t *rows = json_array();
	thaw_status status = thaw_catalogue_read(&c);
	if (status == THAW_OK)
		status = measure(&gflops);
	for (int i = 0; i < c.count && status == THAW_OK; i++) {
		if (!is_wanted(&c.networks[i], v, gflops))
			continue;
		if (found++ < v->limit || v->limit == 0)
			json_array_append_new(rows, network_json(&c.networks[i], v, gflops));
	}
	if (status == THAW_OK)
		status = give_result(result, json_pack("{s:O, s:i, s:i, s:i, s:f, s:s}", "networks", rows, "found",
						       found, "all", c.count, "batch", v->batch, "gflops", gflops,
						       "sources", c.sources ? c.sources : ""));
	json_decref(rows);
	thaw_catalogue_free(&c);
	return status;
}

/* A classifier that the file does not have is not counted. */
static int64_t count_parameters(const struct thaw_model *m)
{
	const struct thaw_graph *g = m->graph;
	const int64_t all = thaw_graph_parameters(g, 0, g->node_count);
	return m->features_only ? all - thaw_graph_parameters(g, g->head, g->head + 1) : all;
}

static json_t *model_json(const struct thaw_model *m, const char *path)
{
	char line[THAW_PREPROCESS_LINE];
	return json_pack("{s:o, s:o, s:I, s:b, s:i, s:I, s:o, s:o*}", "file", thaw_report_string(path), "network",
			 thaw_report_string(m->variant), "classes", (json_int_t)m->classes, "classifier",
			 !m->features_only, "size", m->preprocess.size.height, "parameters",
			 (json_int_t)count_parameters(m), "images",
			 thaw_report_string(thaw_model_preprocess_line(m, line, sizeof(line))), "notes",
			 m->notes ? thaw_report_string(m->notes) : NULL);
}

/* Says which network a file is. If it is none, the result has the reason, and the command does not fail. */
static json_t *describe(const char *path)
{
	struct thaw_model *m = NULL;
	if (thaw_model_load(&m, path, 0, 1) != THAW_OK)
		return json_pack("{s:o, s:o}", "file", thaw_report_string(path), "refused",
				 thaw_report_string(thaw_error_message()));
	json_t *o = model_json(m, path);
	thaw_model_destroy(m);
	return o;
}

static thaw_status run_networks(struct session *session, const void *values, json_t **result)
{
	const struct settings *s = session->settings;
	const struct values *v = values;
	if (s->argument_count == 0)
		return list_networks(v, result);
	if (v->fits || v->faster_than || v->find || v->licence)
		return thaw_fail(THAW_USAGE, "a flag of the list with FILE: --%s: leave out one of them",
				 v->fits          ? "fits"
				 : v->faster_than ? "faster-than"
				 : v->find        ? "find"
						  : "licence");
	json_t *files = json_array();
	for (int i = 0; i < s->argument_count; i++)
		json_array_append_new(files, describe(s->arguments[i]));
	return give_result(result, json_pack("{s:o}", "files", files));
}

static void print_files(const json_t *files, FILE *out)
{
	char n[NUMBER_SIZE];
	size_t i;
	json_t *o;
	json_array_foreach(files, i, o)
	{
		if (json_object_get(o, "refused")) {
			fprintf(out, "%s: refused: %s\n", member_text(o, "file"), member_text(o, "refused"));
			continue;
		}
		fprintf(out, "%s: %s, ", member_text(o, "file"), member_text(o, "network"));
		if (json_is_true(json_object_get(o, "classifier")))
			fprintf(out, "%.0f classes, ", member_real(o, "classes"));
		else
			fprintf(out, "no classifier, ");
		fprintf(out, "%s parameters\n  %s\n", text_count(member_real(o, "parameters"), n, sizeof(n)),
			member_text(o, "images"));
		if (member_text(o, "notes")[0])
			fprintf(out, "  note: %s\n", member_text(o, "notes"));
	}
}

static void print_network(const json_t *o, int columns, FILE *out)
{
	char year[NUMBER_SIZE] = "";
	if (member_real(o, "year") > 0)
		snprintf(year, sizeof(year), "%.0f", member_real(o, "year"));
	fprintf(out, "%-*s  %6.2f  %5.0f  %8.1f  %8.2f  %8.0f  %7.1f  %4s  %s\n", columns, member_text(o, "name"),
		member_real(o, "top1"), member_real(o, "size"), member_real(o, "parameters") / 1e6,
		member_real(o, "multiply_adds") / 1e9, member_real(o, "milliseconds"),
		member_real(o, "training_bytes") / 1e9, year, member_text(o, "licence"));
}

static void print_networks(const json_t *result, FILE *out)
{
	const json_t *rows = json_object_get(result, "networks");
	int columns = (int)strlen("network");
	size_t i;
	json_t *o;
	if (!rows) {
		print_files(json_object_get(result, "files"), out);
		return;
	}
	json_array_foreach(rows, i, o) columns =
		columns > (int)strlen(member_text(o, "name")) ? columns : (int)strlen(member_text(o, "name"));
	fprintf(out, "%-*s  %6s  %5s  %8s  %8s  %8s  %7s  %4s  %s\n", columns, "network", "top-1", "size", "params M",
		"GMAC", "ms/image", "train G", "year", "licence");
	json_array_foreach(rows, i, o) print_network(o, columns, out);
	fprintf(out,
		"\n%zu of %.0f networks that match, of %.0f in all (--limit, --find). ms/image: predicted for one core "
		"at %.0f "
		"GFLOP/s; train G: predicted GB\nof a rank that trains all layers with %.0f images per step. Fetch one "
		"from the Hub as timm/NAME. %s\n",
		json_array_size(rows), member_real(result, "found"), member_real(result, "all"),
		member_real(result, "gflops"), member_real(result, "batch"), member_text(result, "sources"));
}

const struct command command_networks = {
	.name = "networks",
	.usage = "[FILE...] [flags]",
	.summary = "list pretrained networks that can be read, or say what files are",
	.about = "Lists networks of timm by their published accuracy on ImageNet, with what they cost on this machine. "
		 "With "
		 "FILE..., says of files and Hub directories at hand which networks they are.",
	.max_arguments = 100000,
	.argument = "FILE",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.alone = true,
	.run = run_networks,
	.print = print_networks,
};
