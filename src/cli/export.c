/* thaw export: writes a network in a form that others load. Rank 0 does the work. */
#include "src/cli/command.h"
#include "thaw/model.h"
#include "thaw/report.h"

struct values {
	struct common common;
	const char *safetensors;
	bool half;
};

/* A line for what an option is, a line for what it says. */
/* clang-format off */
static const struct option options[] = {
	{.name = "safetensors", .metavar = "FILE", .type = OPTION_TEXT,
	 .offset = offsetof(struct values, safetensors), .section = "Export", .required = true,
	 .help = "the file to write; tensors are named as in the framework that the network came from"},
	{.name = "half", .type = OPTION_FLAG, .offset = offsetof(struct values, half), .section = "Export",
	 .help = "16-bit floating point: half the size"},
	COMMON_OPTIONS,
};
/* clang-format on */

static thaw_status run(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_model *model = NULL;
	thaw_status status;
	THAW_TRY_OUT(thaw_model_load(&model, session->settings->arguments[0], 0, 0));
	THAW_TRY_OUT(thaw_model_save(model, v->safetensors, v->half));
	THAW_TRY_OUT(give_result(result, json_pack("{s:o, s:o, s:I, s:s}", "file", thaw_report_string(v->safetensors),
						   "variant", thaw_report_string(model->variant), "classes",
						   (json_int_t)model->classes, "dtype", v->half ? "F16" : "F32")));
out:
	thaw_model_destroy(model);
	return status;
}

static void print(const json_t *result, FILE *out)
{
	fprintf(out, "%s: %s, %lld classes, %s\n", json_string_value(json_object_get(result, "file")),
		json_string_value(json_object_get(result, "variant")),
		(long long)json_integer_value(json_object_get(result, "classes")),
		json_string_value(json_object_get(result, "dtype")));
}

const struct command command_export = {
	.name = "export",
	.usage = "RUN|M --safetensors FILE [--half]",
	.summary = "write a network for use elsewhere",
	.about = "The file loads in torchvision (or whatever the network came from) as a state dict; class names and "
		 "preprocessing are in its metadata.",
	.min_arguments = 1,
	.max_arguments = 1,
	.argument = "RUN|M",
	.options = options,
	.size = sizeof(struct values),
	.alone = true,
	.run = run,
	.print = print,
};
