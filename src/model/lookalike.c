/* See lookalike.h. Layers without weights, and strides, leave no trace in a state dict. Among timm's networks these are
 * resnetblur18, resnetblur50 and resnetaa50, which smooth before they take every second pixel. Transformers' ResNet has
 * options for strides and the activation in its config.json. */
#include "src/model/lookalike.h"

#include <jansson.h>
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/unknown_network.h"
#include "thaw/memory.h"

#define NAME_SIZE 64 /* bytes of a name in a message */

static bool is_other_resnet(const char *name)
{
	return strstr(name, "resnetblur") || strstr(name, "resnetaa");
}

static thaw_status fail_lookalike(const char *what, const char *variant, const char *source)
{
	char text[NAME_SIZE];
	thaw_text_printable(text, sizeof(text), what, strlen(what));
	return thaw_fail(THAW_CONFIG, "%s, which has the tensors of %s but is another network: %s: " THAW_EXPORT_HOW,
			 text, variant, source);
}

/* Options of transformers' ResNet whose default is what families/resnet.c builds. */
static thaw_status check_options(const json_t *config, const char *variant, const char *source)
{
	static const char *const strides[] = {"downsample_in_bottleneck", "downsample_in_first_stage"};
	const char *type = json_string_value(json_object_get(config, "model_type"));
	const char *activation = json_string_value(json_object_get(config, "hidden_act"));
	if (!type || strcmp(type, "resnet") != 0)
		return THAW_OK;
	for (size_t i = 0; i < sizeof(strides) / sizeof(*strides); i++)
		if (json_is_true(json_object_get(config, strides[i])))
			return fail_lookalike(strides[i], variant, source);
	return activation && strcmp(activation, "relu") != 0 ? fail_lookalike(activation, variant, source) : THAW_OK;
}

thaw_status thaw_check_lookalike(const char *variant, const struct thaw_weights_request *request)
{
	const char *slash = strrchr(request->source, '/'), *file = slash ? slash + 1 : request->source;
	const char *name = json_string_value(json_object_get(request->config, "architecture"));
	if (strncmp(variant, "resnet", strlen("resnet")) != 0)
		return THAW_OK;
	THAW_TRY(check_options(request->config, variant, request->source));
	if (!request->variant && is_other_resnet(name ? name : file))
		return fail_lookalike(name ? name : file, variant, request->source);
	return THAW_OK;
}
