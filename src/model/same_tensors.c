/* See same_tensors.h. */
#include "src/model/same_tensors.h"

#include <jansson.h>
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/unknown_network.h"

#define MAX_CANDIDATES 4

/* The variants with the tensors of a file. */
struct candidates {
	const struct thaw_family *family;
	const char *variant[MAX_CANDIDATES];
	int count;
};

const char *thaw_recognised_name(const char *variant)
{
	const struct thaw_family *family = variant ? thaw_family_find(variant, NULL) : NULL;
	return family && family->recognised_as ? family->recognised_as(variant) : variant;
}

/* Whether a name, the user's or timm's, means this variant. */
static bool means(const struct thaw_family *family, const char *name, const char *variant)
{
	const char *meant = family->variant_of(name);
	return strcmp(meant ? meant : name, variant) == 0 || strcmp(name, variant) == 0;
}

thaw_status thaw_keep_recorded(const char **name, const char *recorded, const char *source)
{
	const struct thaw_family *family = thaw_family_find(recorded, NULL);
	if (!family || !family->recognised_as || thaw_family_find(*name, NULL) != family ||
	    strcmp(family->recognised_as(*name), family->recognised_as(recorded)) != 0)
		return THAW_OK;
	/* timm's name of another variant means either. */
	const char *meant = family->variant_of(*name);
	const bool either = meant && strcmp(meant, *name) != 0;
	if (!either && !means(family, *name, recorded))
		return thaw_fail(THAW_CONFIG, "%s, not %s: %s: leave the name out", recorded, *name, source);
	*name = recorded;
	return THAW_OK;
}

static struct candidates find_candidates(const struct thaw_family *family, const char *recognised,
					 const struct thaw_weights *w)
{
	struct candidates c = {.family = family};
	for (const char *const *v = family->variants; recognised && *v && c.count < MAX_CANDIDATES; v++)
		if (strcmp(family->recognised_as(*v), recognised) == 0 && family->has_names(*v, w))
			c.variant[c.count++] = *v;
	return c;
}

/* The candidate that a name means, or NULL. */
static const char *find_meant(const struct candidates *c, const char *name)
{
	for (int i = 0; i < c->count; i++)
		if (means(c->family, name, c->variant[i]))
			return c->variant[i];
	return NULL;
}

/* The candidate that a text such as "tf_efficientnet_lite0.in1k" begins with, or NULL. */
static const char *find_begun(const struct candidates *c, const char *text)
{
	const char *longest = NULL;
	for (const char *const *v = c->family->variants; *v; v++)
		if (strncmp(text, *v, strlen(*v)) == 0 && (!longest || strlen(*v) > strlen(longest)))
			longest = *v;
	return longest ? find_meant(c, longest) : NULL;
}

/* What the user names. A single candidate may have a longer name: efficientnet_b0_torchvision. */
static thaw_status take_given(const char **variant, const struct candidates *c,
			      const struct thaw_weights_request *request)
{
	const char *chosen = find_meant(c, request->variant);
	const size_t length = strlen(request->variant);
	if (!chosen && c->count == 1 && strncmp(c->variant[0], request->variant, length) == 0)
		chosen = c->variant[0];
	if (!chosen)
		return thaw_fail(THAW_CONFIG, "%s, but the tensors are those of %s: %s: give that name, or none",
				 request->variant, c->variant[0], request->source);
	*variant = chosen;
	return THAW_OK;
}

/* The architecture in config.json. *variant is unchanged if it names none. */
static thaw_status read_architecture(const char **variant, const struct candidates *c,
				     const struct thaw_weights_request *request)
{
	const char *name = json_string_value(json_object_get(request->config, "architecture"));
	char plain[THAW_NETWORK_NAME];
	if (!name)
		return THAW_OK;
	thaw_text_printable(plain, sizeof(plain), name, strcspn(name, "."));
	const char *meant = find_meant(c, plain);
	if (!c->family->variant_of(plain))
		return thaw_fail(THAW_CONFIG,
				 "network %.64s, which is not known: config.json beside %s: " THAW_EXPORT_HOW, plain,
				 request->source);
	if (!meant)
		return thaw_fail(
			THAW_CONFIG,
			"architecture %.64s, but the tensors are those of %s: config.json beside %s: repair or "
			"remove it",
			plain, c->variant[0], request->source);
	*variant = meant;
	return THAW_OK;
}

/* The name by which users give a variant: timm's, if timm has another one for it. */
static const char *called(const struct thaw_family *family, const char *variant)
{
	for (const char *const *v = family->variants; *v; v++)
		if (strcmp(*v, variant) != 0 && means(family, *v, variant))
			return *v;
	return variant;
}

static thaw_status fail_ambiguous(const struct candidates *c, const char *source)
{
	const char *a = called(c->family, c->variant[0]), *b = called(c->family, c->variant[1]);
	return thaw_fail(THAW_CONFIG,
			 "%s or %s: the same tensors, another network: %s: give --model %s:FILE or --model %s:FILE, "
			 "whichever timm calls it",
			 a, b, source, a, b);
}

thaw_status thaw_choose_variant(const char **variant, const struct thaw_family *family, const struct thaw_weights *w,
				const struct thaw_weights_request *request, struct thaw_note *note)
{
	const char *chosen = NULL, *slash = strrchr(request->source, '/'), *by = "config.json";
	if (!family->recognised_as)
		return THAW_OK;
	const char *recognised = family->recognise(w);
	const struct candidates c = find_candidates(family, recognised, w);
	if (c.count == 0)
		return thaw_fail(THAW_CONFIG,
				 "the tensors are not those of %s: %s: if it is another network, " THAW_EXPORT_HOW,
				 *variant, request->source);
	if (request->variant)
		return take_given(variant, &c, request);
	THAW_TRY(read_architecture(&chosen, &c, request));
	if (!chosen && c.count == 1) {
		*variant = c.variant[0];
		return THAW_OK;
	}
	if (!chosen) {
		chosen = find_begun(&c, slash ? slash + 1 : request->source);
		by = "the file's name";
	}
	if (!chosen)
		return fail_ambiguous(&c, request->source);
	if (c.count > 1)
		thaw_note_part(note, "%s by %s", called(family, chosen), by);
	*variant = chosen;
	return THAW_OK;
}
