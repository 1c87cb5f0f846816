/* Options of ConvNeXts: what the tensors do not show. */
#include <string.h>

#include "src/base/try.h"
#include "src/model/families/convnext.h"
#include "src/model/families/timm_config.h"

#define EPSILON              1e-6
#define EPSILON_TRANSFORMERS 1e-12 /* of the norm of pooled features */

/* timm's networks that differ, by the start of the name, or else by width, a kernel and whether norms have biases,
 * which no other network of timm shares. */
static const struct special {
	const char *name;
	int64_t channels; /* of the first stage */
	int kernel;       /* of the second stage */
	bool norm_bias;
	double epsilon;
	enum thaw_nonlinearity act;
	enum thaw_pixel_norm norm;
} specials[] = {
	{"convnext_zepto_rms", 32, 7, false, EPSILON, THAW_NL_GELU, THAW_PIXEL_SIMPLE},
	{"convnext_atto_rms", 40, 7, false, EPSILON, THAW_NL_GELU, THAW_PIXEL_RMS},
	{"convnext_xxlarge", 384, 7, true, 1e-5, THAW_NL_GELU, THAW_PIXEL_LAYER},
	{"test_convnext3", 32, 5, true, 1e-5, THAW_NL_SILU, THAW_PIXEL_LAYER},
	{"test_convnext2", 32, 7, true, 1e-5, THAW_NL_GELU_TANH, THAW_PIXEL_LAYER},
	{"test_convnext", 24, 7, true, 1e-5, THAW_NL_GELU_TANH, THAW_PIXEL_LAYER},
};

static const struct special customary = {.epsilon = EPSILON, .act = THAW_NL_GELU, .norm = THAW_PIXEL_LAYER};

static void apply(struct thaw_convnext *v, const struct special *s)
{
	v->epsilon = v->pooled_epsilon = s->epsilon;
	v->act = s->act;
	v->norm = s->norm;
}

void thaw_convnext_default_options(struct thaw_convnext *v)
{
	apply(v, &customary);
	if (v->names->transformers)
		v->pooled_epsilon = EPSILON_TRANSFORMERS;
	for (size_t i = 0; i < sizeof(specials) / sizeof(*specials) && !v->names->transformers; i++) {
		const struct special *s = &specials[i];
		if (s->channels == v->stem_channels && s->kernel == v->stage[1].kernel && s->norm_bias == v->norm_bias)
			apply(v, s);
	}
}

static thaw_status set_norm(struct thaw_convnext *v, const char *norm, const char *source)
{
	static const struct {
		const char *name;
		enum thaw_pixel_norm is;
	} names[] = {
		{"layernorm", THAW_PIXEL_LAYER}, {"layernorm2d", THAW_PIXEL_LAYER}, {"rmsnorm", THAW_PIXEL_RMS},
		{"rmsnorm2d", THAW_PIXEL_RMS},   {"simplenorm", THAW_PIXEL_SIMPLE}, {"simplenorm2d", THAW_PIXEL_SIMPLE},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (norm && strcmp(norm, names[i].name) == 0) {
			v->norm = names[i].is;
			return THAW_OK;
		}
	}
	return thaw_refuse_config("ConvNeXt", "norm_layer", norm, source);
}

static bool is_epsilon(double epsilon)
{
	return epsilon > 0 && epsilon < 1;
}

static thaw_status read_transformers(struct thaw_convnext *v, const json_t *config, const char *source)
{
	const json_t *epsilon = json_object_get(config, "layer_norm_eps");
	const char *type = thaw_config_text_of(config, "model_type", "");
	if (epsilon)
		v->pooled_epsilon = json_number_value(epsilon);
	if (type && strcmp(type, "dinov3_convnext") == 0)
		v->epsilon = v->pooled_epsilon = epsilon ? json_number_value(epsilon) : EPSILON;
	return thaw_config_function(&v->act, config, "hidden_act", "ConvNeXt", source);
}

/* model_args, of which the tensors show many. */
static thaw_status read_arguments(struct thaw_convnext *v, const json_t *config, const char *source)
{
	static const char *const known[] = {
		"depths",           "dims",          "kernel_sizes", "ls_init_value",   "stem_type", "patch_size",
		"head_norm_first",  "conv_mlp",      "conv_bias",    "use_grn",         "act_layer", "norm_layer",
		"head_hidden_size", "output_stride", "norm_eps",     "head_init_scale", NULL};
	const json_t *arguments = json_object_get(config, "model_args");
	const json_t *stride = json_object_get(arguments, "output_stride");
	const json_t *epsilon = json_object_get(arguments, "norm_eps");
	THAW_TRY(thaw_check_timm_arguments(config, known, "ConvNeXt", source));
	if (stride && json_integer_value(stride) != 32)
		return thaw_refuse_config("ConvNeXt", "output_stride", NULL, source);
	if (epsilon && !json_is_null(epsilon))
		v->epsilon = v->pooled_epsilon = json_number_value(epsilon);
	if (!is_epsilon(v->epsilon))
		return thaw_refuse_config("ConvNeXt", "norm_eps", NULL, source);
	if (json_object_get(arguments, "norm_layer"))
		THAW_TRY(set_norm(v, thaw_config_text_of(arguments, "norm_layer", "layernorm"), source));
	return thaw_config_function(&v->act, arguments, "act_layer", "ConvNeXt", source);
}

/* The name decides, not the sizes. */
static thaw_status read_timm(struct thaw_convnext *v, const json_t *config, const char *source)
{
	const char *name = thaw_config_text_of(config, "architecture", NULL);
	if (!name)
		return THAW_OK;
	apply(v, &customary);
	for (size_t i = 0; i < sizeof(specials) / sizeof(*specials); i++) {
		if (strncmp(name, specials[i].name, strlen(specials[i].name)) == 0) {
			apply(v, &specials[i]);
			break;
		}
	}
	return read_arguments(v, config, source);
}

thaw_status thaw_convnext_read_config(struct thaw_convnext *v, const json_t *config, const char *source)
{
	return v->names->transformers ? read_transformers(v, config, source) : read_timm(v, config, source);
}

static const char *const norms[] = {
	[THAW_PIXEL_LAYER] = "layer", [THAW_PIXEL_RMS] = "rms", [THAW_PIXEL_SIMPLE] = "simple"};

thaw_status thaw_convnext_write_options(json_t **options, const struct thaw_convnext *v)
{
	*options = json_pack("{s:f, s:f, s:s, s:s}", "epsilon", v->epsilon, "pooled_epsilon", v->pooled_epsilon, "act",
			     thaw_nonlinearity_name(v->act), "norm", norms[v->norm]);
	return thaw_check_options_made(*options);
}

static thaw_status check_options(const struct thaw_convnext *v)
{
	if (!is_epsilon(v->epsilon) || !is_epsilon(v->pooled_epsilon))
		return thaw_fail(THAW_CONFIG,
				 "norms with constants of %g and %g: convnext: they must be above 0 and below 1",
				 v->epsilon, v->pooled_epsilon);
	if ((v->norm == THAW_PIXEL_LAYER) != v->norm_bias)
		return thaw_fail(THAW_CONFIG,
				 "norms %s biases, which do not tell what they are: convnext: put timm's config.json, "
				 "which names the architecture, beside the file",
				 v->norm_bias ? "with" : "without");
	return THAW_OK;
}

thaw_status thaw_convnext_read_options(struct thaw_convnext *v, const json_t *options)
{
	const char *act = "", *norm = "";
	size_t n = 0;
	if (!options)
		return check_options(v);
	const int bad = json_unpack((json_t *)options, "{s:F, s:F, s:s, s:s}", "epsilon", &v->epsilon, "pooled_epsilon",
				    &v->pooled_epsilon, "act", &act, "norm", &norm);
	while (n < sizeof(norms) / sizeof(*norms) && strcmp(norms[n], norm) != 0)
		n++;
	if (bad || n == sizeof(norms) / sizeof(*norms) || !thaw_nonlinearity_find(act, &v->act))
		return thaw_refuse_options("convnext");
	v->norm = (enum thaw_pixel_norm)n;
	return check_options(v);
}
