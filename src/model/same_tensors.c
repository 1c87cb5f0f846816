/* See same_tensors.h. */
#include "src/model/same_tensors.h"

#include <jansson.h>
#include <string.h>

#include "src/base/try.h"
static const struct thaw_same_tensors *find(const struct thaw_family *family, const char *variant)
{
	for (const struct thaw_same_tensors *s = family->same_tensors; s && s->base; s++)
		if (strcmp(s->base, variant) == 0 || strcmp(s->variant[0], variant) == 0 ||
		    strcmp(s->variant[1], variant) == 0)
			return s;
	return NULL;
}

const char *thaw_recognised_name(const char *variant)
{
	const struct thaw_family *family = variant ? thaw_family_find(variant, NULL) : NULL;
	const struct thaw_same_tensors *s = family ? find(family, variant) : NULL;
	return s ? s->base : variant;
}

thaw_status thaw_keep_recorded(const char **name, const char *recorded, const char *source)
{
	const struct thaw_family *family = thaw_family_find(recorded, NULL);
	const struct thaw_same_tensors *s = family ? find(family, recorded) : NULL;
	if (!s || find(family, *name) != s)
		return THAW_OK;
	const bool other = strcmp(recorded, s->variant[1]) == 0; /* the base name means either */
	if (strcmp(*name, s->base) != 0 && other != (strcmp(*name, s->variant[1]) == 0))
		return thaw_fail(THAW_CONFIG, "%s, not %s: %s: leave the name out", recorded, *name, source);
	*name = recorded;
	return THAW_OK;
}

/* The variant that a text such as "tf_efficientnet_lite0.in1k" begins with, or NULL. */
static const char *named_by(const struct thaw_same_tensors *s, const char *text)
{
	const bool tf = strncmp(text, "tf_", 3) == 0;
	return strncmp(text + (tf ? 3 : 0), s->base, strlen(s->base)) == 0 ? s->variant[tf ? 0 : 1] : NULL;
}

/* *variant is unchanged if there is no config.json beside the file, or it does not name an architecture. */
static thaw_status read_architecture(const char **variant, const struct thaw_same_tensors *s,
				     const struct thaw_weights_request *request)
{
	const char *name = json_string_value(json_object_get(request->config, "architecture"));
	if (!name)
		return THAW_OK;
	if (!named_by(s, name))
		return thaw_fail(
			THAW_CONFIG,
			"architecture %.64s, but the tensors are those of %s: config.json beside %s: repair or "
			"remove it",
			name, s->base, request->source);
	*variant = named_by(s, name);
	return THAW_OK;
}

thaw_status thaw_choose_variant(const char **variant, const struct thaw_family *family, const struct thaw_weights *w,
				const struct thaw_weights_request *request, struct thaw_note *note)
{
	const struct thaw_same_tensors *s = find(family, *variant);
	const char *chosen = NULL, *slash = strrchr(request->source, '/'), *by = "config.json";
	if (!s || !family->is_ambiguous(w))
		return THAW_OK;
	if (request->variant) {
		*variant = strcmp(request->variant, s->base) == 0 ? s->variant[1] : request->variant;
		return THAW_OK;
	}
	THAW_TRY(read_architecture(&chosen, s, request));
	if (!chosen) {
		chosen = named_by(s, slash ? slash + 1 : request->source);
		by = "the file's name";
	}
	if (!chosen)
		return thaw_fail(THAW_CONFIG,
				 "%s or tf_%s: the same tensors, another network: %s: give --model %s:FILE or "
				 "--model tf_%s:FILE, whichever timm calls it",
				 s->base, s->base, request->source, s->base, s->base);
	thaw_note_part(note, "%s by %s", chosen, by);
	*variant = chosen;
	return THAW_OK;
}
