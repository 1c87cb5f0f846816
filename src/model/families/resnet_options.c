/* Options of ResNets: what the tensors do not show. */
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/families/resnet.h"
#include "src/model/families/timm_config.h"
#include "src/model/unknown_network.h"

#define FAMILY    "ResNet"
#define NAME_SIZE 64 /* bytes of a name in a message */
#define GROUPS    32 /* of the group norms of timm's networks */

static const char *const antialias_names[THAW_ANTIALIASES] = {
	[THAW_ANTIALIAS_NONE] = "none", [THAW_ANTIALIAS_AVERAGE] = "average", [THAW_ANTIALIAS_BLUR] = "blur"};

/* Parts of the names of timm's networks that smooth before they take every second pixel, which has no weights. */
static enum thaw_antialias antialias_of(const char *name)
{
	if (strstr(name, "resnetblur"))
		return THAW_ANTIALIAS_BLUR;
	return strstr(name, "resnetaa") || strstr(name, "resnextaa") ? THAW_ANTIALIAS_AVERAGE : THAW_ANTIALIAS_NONE;
}

void thaw_resnet_default_options(struct thaw_resnet *r, const char *variant)
{
	r->norm_groups = r->batch_norms ? 0 : GROUPS;
	r->antialias = antialias_of(variant);
	r->function = THAW_NL_RELU;
}

/* A file whose name says what its tensors do not. */
static thaw_status check_file_name(const char *source)
{
	const char *slash = strrchr(source, '/'), *file = slash ? slash + 1 : source;
	const enum thaw_antialias antialias = antialias_of(file);
	char text[NAME_SIZE];
	if (antialias == THAW_ANTIALIAS_NONE)
		return THAW_OK;
	thaw_text_printable(text, sizeof(text), file, strlen(file));
	return thaw_fail(THAW_CONFIG,
			 "%s, whose tensors may be those of an anti-aliased network: %s: give --model %s:FILE if it is "
			 "one, else --model resnet:FILE",
			 text, source, antialias == THAW_ANTIALIAS_BLUR ? "resnetblur" : "resnetaa");
}

static thaw_status read_timm(struct thaw_resnet *r, const char *architecture, const json_t *config, const char *source)
{
	static const char *const known[] = {"stem_width", "base_width", NULL};
	r->antialias = antialias_of(architecture);
	return thaw_check_timm_arguments(config, known, FAMILY, source);
}

static thaw_status read_transformers(struct thaw_resnet *r, const json_t *config, const char *source)
{
	r->stride_first = json_is_true(json_object_get(config, "downsample_in_bottleneck"));
	r->stride_from_start = json_is_true(json_object_get(config, "downsample_in_first_stage"));
	return thaw_config_function(&r->function, config, "hidden_act", FAMILY, source);
}

thaw_status thaw_resnet_read_config(struct thaw_resnet *r, const struct thaw_architecture *a, const json_t *config,
				    const char *source)
{
	const char *architecture = json_string_value(json_object_get(config, "architecture"));
	if (architecture)
		return read_timm(r, architecture, config, source);
	const char *type = thaw_config_text_of(config, "model_type", "");
	if (type && strcmp(type, "resnet") == 0)
		return read_transformers(r, config, source);
	if (a->named)
		return THAW_OK;
	if (r->norm_groups > 0)
		return thaw_fail(THAW_CONFIG,
				 "group norms, whose groups the tensors do not show: %s: give --model resnet:FILE if "
				 "they are %d, else " THAW_EXPORT_HOW,
				 source, GROUPS);
	return check_file_name(source);
}

thaw_status thaw_resnet_write_options(json_t **options, const struct thaw_resnet *r)
{
	*options = json_pack("{s:i, s:s, s:b, s:b, s:s}", "norm_groups", r->norm_groups, "antialias",
			     antialias_names[r->antialias], "stride_first", r->stride_first, "stride_from_start",
			     r->stride_from_start, "function", thaw_nonlinearity_name(r->function));
	return thaw_check_options_made(*options);
}

thaw_status thaw_resnet_read_options(struct thaw_resnet *r, const json_t *options)
{
	const char *antialias, *function;
	int first, start, found = 0;
	if (!options)
		return THAW_OK;
	if (json_unpack((json_t *)options, "{s:i, s:s, s:b, s:b, s:s}", "norm_groups", &r->norm_groups, "antialias",
			&antialias, "stride_first", &first, "stride_from_start", &start, "function", &function) == 0) {
		while (found < THAW_ANTIALIASES && strcmp(antialias_names[found], antialias) != 0)
			found++;
		r->antialias = (enum thaw_antialias)found;
		r->stride_first = first;
		r->stride_from_start = start;
		if (found < THAW_ANTIALIASES && (r->norm_groups < 1) == r->batch_norms &&
		    thaw_nonlinearity_find(function, &r->function))
			return THAW_OK;
	}
	return thaw_refuse_options("resnet");
}
