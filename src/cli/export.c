/* thaw export: writes a network for other frameworks. Rank 0 does the work. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/image_options.h"
#include "src/cli/network.h"
#include "src/cli/result.h"
#include "src/cli/verify_onnx.h"
#include "thaw/memory.h"
#include "thaw/model.h"
#include "thaw/report.h"
#include "thaw/train.h"

struct values {
	struct common common;
	const char *safetensors, *hub, *onnx, *peft, *verify, *weights_key, *from;
	bool half, fold, fully_conv;
	const char *size;
	struct thaw_preprocess_override images;
};

/* clang-format off */
static const struct option options[] = {
	{.name = "safetensors", .metavar = "FILE", .type = OPTION_TEXT,
	 .offset = offsetof(struct values, safetensors), .section = "Weights", .absent = "none",
	 .help = "file to write; tensors have the names of the framework that the network came from"},
	{.name = "half", .type = OPTION_FLAG, .offset = offsetof(struct values, half), .section = "Weights",
	 .help = "write 16-bit floating point numbers: half the size"},
	{.name = "hub", .metavar = "DIR", .type = OPTION_TEXT, .offset = offsetof(struct values, hub),
	 .section = "Weights", .absent = "none",
	 .help = "new folder for a network that transformers or timm loads as it is: model.safetensors, config.json with the "
		 "classes, preprocessing, and a model card (README.md)"},
	{.name = "peft", .metavar = "DIR", .type = OPTION_TEXT, .offset = offsetof(struct values, peft),
	 .section = "Adapters", .absent = "none",
	 .help = "folder for the adapters of a run with --tune lora:R, and its classifier, as PEFT's files adapter_config.json "
		 "and adapter_model.safetensors"},
	{.name = "onnx", .metavar = "FILE", .type = OPTION_TEXT,
	 .offset = offsetof(struct values, onnx), .section = "Network", .absent = "none",
	 .help = "file to write: an ONNX model of opset 17"},
	{.name = "fold-bn", .type = OPTION_FLAG, .offset = offsetof(struct values, fold), .section = "Network",
	 .help = "fold batch norms into the convolutions before them"},
	{.name = "verify", .metavar = "D", .type = OPTION_TEXT, .offset = offsetof(struct values, verify),
	 .section = "Network", .absent = "none",
	 .help = "image, or dataset as for thaw train: run images through the network and through the written file, and "
		 "compare"},
	WEIGHTS_KEY_OPTION("Network", offsetof(struct values, weights_key)),
	FROM_OPTION("Network", offsetof(struct values, from)),
	SIZE_OPTION("Network", offsetof(struct values, size)),
	{.name = "fully-conv", .type = OPTION_FLAG, .offset = offsetof(struct values, fully_conv), .section = "Network",
	 .help = "write the network as a fully convolutional one, for images of any size: of an ONNX model a second output "
		 "is the grid of predictions whose mean is the first"},
	PREPROCESS_OPTIONS("Network", offsetof(struct values, images)),
	COMMON_OPTIONS,
};
/* clang-format on */

static thaw_status check(const struct values *v)
{
	int outputs = (v->safetensors != NULL) + (v->hub != NULL) + (v->onnx != NULL) + (v->peft != NULL);
	if (outputs != 1)
		return thaw_fail(THAW_USAGE,
				 "%s: give one of --safetensors FILE, --hub DIR, --onnx FILE and --peft DIR",
				 outputs > 1 ? "several outputs" : "no output");
	if (v->half && (v->onnx || v->peft))
		return thaw_fail(THAW_USAGE, "no 16-bit numbers in %s: --half: give it with --safetensors or --hub",
				 v->onnx ? "ONNX models" : "adapters");
	if ((v->fold || v->verify) && !v->onnx)
		return thaw_fail(THAW_USAGE, "for ONNX models: %s: give it with --onnx",
				 v->fold ? "--fold-bn" : "--verify");
	if (v->verify && access(v->verify, R_OK) != 0)
		return thaw_fail(THAW_IO, "cannot read: --verify %s: %s", v->verify, strerror(errno));
	return THAW_OK;
}

static const char *output_of(const struct values *v)
{
	return v->safetensors ? v->safetensors : v->hub ? v->hub : v->onnx;
}

/* The network is the trained one of the run, with its preprocessing, unless a flag says otherwise. */
static thaw_status export_hub(const struct values *v, const struct thaw_model *m, const char *run)
{
	char *card = NULL;
	const char *library = thaw_model_hub_library(m);
	bool as_trained = !v->from && !v->size && !thaw_preprocess_override_given(&v->images);
	/* Without a library it is refused. */
	thaw_status status = library ? thaw_run_model_card(&card, m, library, run, as_trained) : THAW_OK;
	if (status == THAW_OK)
		status = thaw_model_save_hub(m, v->hub, card, v->half);
	thaw_free(card);
	return status;
}

static thaw_status export(const struct values *v, const struct thaw_model *m, const char *spec, json_t *result)
{
	struct verification verified;
	if (v->safetensors && m->imported)
		return thaw_fail(THAW_CONFIG,
				 "no state dict in a network from ONNX: %s: give --onnx FILE instead of --safetensors",
				 m->variant);
	if (v->safetensors)
		return thaw_model_save(m, v->safetensors, v->half);
	if (v->hub)
		return export_hub(v, m, spec);
	THAW_TRY(v->fully_conv ? thaw_model_save_onnx_grid(m, v->onnx, v->fold)
			       : thaw_model_save_onnx(m, v->onnx, v->fold));
	if (!v->verify)
		return THAW_OK;
	THAW_TRY(verify_onnx(&verified, m, v->onnx, v->verify));
	json_object_set_new(result, "images", json_integer(verified.images));
	json_object_set_new(result, "difference", json_real(verified.difference));
	return THAW_OK;
}

/* The grid of predictions becomes a value of the network. */
static thaw_status add_grid(struct thaw_model *m)
{
	const struct thaw_size size = m->preprocess.size;
	const struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	thaw_status status = thaw_graph_pool_last(m->graph, &image);
	return status == THAW_CONFIG ? thaw_fail_in(status, "no grid of predictions: --fully-conv") : status;
}

/* Adapters are of a run, not of the network that it gives. */
static thaw_status export_adapters(const struct values *v, const char *run, json_t **result)
{
	const char *from = v->from ? v->from : "last";
	if (v->weights_key || v->size || v->fully_conv || thaw_preprocess_override_given(&v->images))
		return thaw_fail(THAW_USAGE, "not with other settings of the network: --peft %s: leave them out",
				 v->peft);
	THAW_TRY(thaw_run_save_adapters(run, from, v->peft));
	return give_result(result, json_pack("{s:o, s:s}", "peft", thaw_report_string(v->peft), "from", from));
}

static thaw_status run_export(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_model *model = NULL;
	thaw_status status;
	THAW_TRY_OUT(check(v));
	if (v->peft)
		return export_adapters(v, session->settings->arguments[0], result);
	const struct network_choice network = {
		session->settings->arguments[0], v->from, v->weights_key, &v->images, v->size, v->fully_conv};
	THAW_TRY_OUT(network_load(session, &model, &network, 0, 0));
	if (v->fully_conv && v->onnx)
		THAW_TRY_OUT(add_grid(model));
	if (!model->imported)
		THAW_TRY_OUT(thaw_model_check_classifier(model));
	THAW_TRY_OUT(give_result(
		result, json_pack("{s:o, s:o, s:I, s:s, s:o}", "file", thaw_report_string(output_of(v)), "variant",
				  thaw_report_string(model->variant), "classes", (json_int_t)model->classes, "dtype",
				  v->half ? "F16" : "F32", "preprocess", thaw_model_preprocess_json(model))));
	THAW_TRY_OUT(export(v, model, network.spec, *result));
	network_log(session, model, &network);
out:
	if (status != THAW_OK) {
		json_decref(*result);
		*result = NULL;
	}
	thaw_model_destroy(model);
	return status;
}

static void print_export(const json_t *result, FILE *out)
{
	if (json_object_get(result, "peft")) {
		fprintf(out, "%s: adapters for PEFT\n", member_text(result, "peft"));
		return;
	}
	fprintf(out, "%s: %s, %lld classes, %s\n", member_text(result, "file"), member_text(result, "variant"),
		(long long)json_integer_value(json_object_get(result, "classes")), member_text(result, "dtype"));
	if (json_object_get(result, "images"))
		fprintf(out, "%lld images: logits differ by at most %.2g of the largest\n",
			(long long)json_integer_value(json_object_get(result, "images")),
			member_real(result, "difference"));
}

const struct command command_export = {
	.name = "export",
	.usage = "RUN|M --safetensors FILE [--half] | --hub DIR [--half] | --onnx FILE [--fold-bn] [--verify D] | "
		 "--peft DIR",
	.summary = "write a network for use in other programs",
	.about =
		"A safetensors file is a state dict for the framework that the network came from, such as torchvision; "
		"networks from ONNX have none. A folder of the Hub is loaded as it is by transformers' from_pretrained "
		"or "
		"timm's create_model(\"local-dir:DIR\"), whichever the network came from. An ONNX model runs in any "
		"ONNX "
		"runtime. Files have class names and preprocessing in their metadata; the adapters of a run are merged "
		"into "
		"its weights there. PEFT's files have them apart, for the network that the run began with.",
	.min_arguments = 1,
	.max_arguments = 1,
	.argument = "RUN|M",
	.options = options,
	.size = sizeof(struct values),
	.alone = true,
	.run = run_export,
	.print = print_export,
};
