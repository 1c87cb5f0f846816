/* See efficientnet.h. */
#include "src/model/families/efficientnet.h"

#include <string.h>

#include "src/base/try.h"
#include "src/model/families/timm_config.h"

#define EPSILON 1e-3

/* A network that is not built. */
static thaw_status refuse(const char *key, const char *source)
{
	return thaw_refuse_config("network", key, NULL, source);
}

/* transformers' EfficientNet: a stride per stage, which must be 1 or 2. */
static thaw_status read_strides(char *strides, const json_t *config, const char *source)
{
	const json_t *list = json_object_get(config, "strides");
	const size_t count = json_array_size(list);
	if (!list)
		return THAW_OK;
	if (count < 1 || count > THAW_EFFICIENTNET_STAGES)
		return refuse("strides", source);
	for (size_t i = 0; i < count; i++) {
		const json_int_t stride = json_integer_value(json_array_get(list, i));
		if (stride != 1 && stride != 2)
			return refuse("strides", source);
		strides[i] = (char)('0' + stride);
	}
	strides[count] = '\0';
	return THAW_OK;
}

/* What Thaw builds in one way only. */
static thaw_status check_fixed(const json_t *config, const char *source)
{
	const json_t *pooling = json_object_get(config, "pooling_type");
	const json_t *stride = json_object_get(config, "output_stride");
	const json_t *channels = json_object_get(config, "num_channels");
	if (pooling && (!json_is_string(pooling) || strcmp(json_string_value(pooling), "mean") != 0))
		return refuse("pooling_type", source);
	if (stride && json_integer_value(stride) != 32)
		return refuse("output_stride", source);
	if (channels && json_integer_value(channels) != 3)
		return refuse("num_channels", source);
	return THAW_OK;
}

static bool is_epsilon(double epsilon)
{
	return epsilon > 0 && epsilon < 1;
}

/* Whether a value is a list of numbers of blocks. */
static bool is_block_list(const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *block = json_array_get(list, i);
		const json_int_t number = json_integer_value(block);
		if (!json_is_integer(block) || number < 0 || number >= THAW_EFFICIENTNET_BLOCKS)
			return false;
	}
	return json_is_array(list);
}

thaw_status thaw_efficientnet_read_config(json_t **options, const json_t *config, const char *source)
{
	const char *type = json_string_value(json_object_get(config, "model_type"));
	const json_t *act = json_object_get(config, "hidden_act"), *same = json_object_get(config, "tf_padding");
	const bool efficientnet = type && strcmp(type, "efficientnet") == 0;
	const json_t *epsilon = json_object_get(config, efficientnet ? "batch_norm_eps" : "layer_norm_eps");
	const json_t *symmetric = json_object_get(config, "depthwise_padding");
	const bool one = type && strcmp(type, "mobilenet_v1") == 0;
	char strides[THAW_EFFICIENTNET_STAGES + 1] = "1222121";
	enum thaw_nonlinearity known;
	THAW_TRY(check_fixed(config, source));
	if (efficientnet)
		THAW_TRY(read_strides(strides, config, source));
	if (act && (!json_is_string(act) || !thaw_nonlinearity_find(json_string_value(act), &known)))
		return refuse("hidden_act", source);
	if (epsilon && !is_epsilon(json_number_value(epsilon)))
		return refuse(efficientnet ? "batch_norm_eps" : "layer_norm_eps", source);
	if (symmetric && !is_block_list(symmetric))
		return refuse("depthwise_padding", source);
	*options = json_pack("{s:s, s:s, s:f, s:s, s:o}", "strides", one ? "12222" : strides, "activation",
			     act            ? json_string_value(act)
			     : efficientnet ? "swish"
					    : "relu6",
			     "epsilon", epsilon ? json_number_value(epsilon) : EPSILON, "padding",
			     efficientnet                  ? "late"
			     : same && !json_is_true(same) ? "symmetric"
							   : "same",
			     "symmetric", symmetric ? json_deep_copy(symmetric) : json_array());
	return thaw_check_options_made(*options);
}

/* Blocks with symmetric padding. */
static void set_symmetric(struct thaw_efficientnet *e, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		e->symmetric[json_integer_value(json_array_get(list, i))] = true;
	e->traits.symmetric = e->symmetric;
	e->traits.symmetric_count = THAW_EFFICIENTNET_BLOCKS;
}

static bool read_padding(enum thaw_inverted_padding *padding, const char *text)
{
	static const char *const names[] = {
		[THAW_PAD_SYMMETRIC] = "symmetric", [THAW_PAD_SAME] = "same", [THAW_PAD_LATE] = "late"};
	for (int i = THAW_PAD_SYMMETRIC; i <= THAW_PAD_LATE; i++) {
		*padding = (enum thaw_inverted_padding)i;
		if (strcmp(text, names[i]) == 0)
			return true;
	}
	return false;
}

thaw_status thaw_efficientnet_read_options(struct thaw_efficientnet *e, const json_t *options)
{
	const char *strides = "", *act = "", *padding = "";
	const json_t *symmetric = NULL;
	double epsilon = 0;
	const size_t room = sizeof(e->strides);
	bool good = json_unpack((json_t *)options, "{s:s, s:s, s:F, s:s, s:o}", "strides", &strides, "activation", &act,
				"epsilon", &epsilon, "padding", &padding, "symmetric", &symmetric) == 0 &&
		    strlen(strides) < room && strspn(strides, "12") == strlen(strides) && is_epsilon(epsilon) &&
		    thaw_nonlinearity_find(act, &e->traits.act) && read_padding(&e->traits.padding, padding) &&
		    is_block_list(symmetric);
	if (!good)
		return thaw_fail(THAW_CONFIG,
				 "invalid options of a network: efficientnet: use the version that wrote them");
	set_symmetric(e, symmetric);
	memcpy(e->strides, strides, strlen(strides) + 1);
	e->traits.strides = e->strides;
	e->traits.epsilon = (float)epsilon;
	return THAW_OK;
}
