/* The table of families; finding a family by the name of a variant or by the tensors of a state dict. */
#include "src/model/family.h"

#include <stdio.h>
#include <string.h>

#define MOST_LISTED 20 /* variants of a family in a message */

/* clang-format off */
const struct thaw_family *const thaw_families[] = {
	&thaw_family_resnet,
	&thaw_family_resnet_v2,
	&thaw_family_vgg,
	&thaw_family_alexnet,
	&thaw_family_efficientnet,
	&thaw_family_cifar_resnet,
	&thaw_family_vit,
	&thaw_family_convnext,
	&thaw_family_regnet,
	&thaw_family_densenet,
	&thaw_family_mixer,
	&thaw_family_swin,
	NULL,
};
/* clang-format on */

const struct thaw_family *thaw_family_find(const char *variant, const char **name)
{
	for (int f = 0; thaw_families[f]; f++) {
		for (const char *const *v = thaw_families[f]->variants; *v; v++) {
			if (strcmp(*v, variant) == 0) {
				if (name)
					*name = *v;
				return thaw_families[f];
			}
		}
	}
	return NULL;
}

const struct thaw_family *thaw_family_recognise(const struct thaw_weights *w, const struct thaw_family *only,
						const char **variant)
{
	for (int f = 0; thaw_families[f]; f++) {
		const char *name = only && thaw_families[f] != only ? NULL : thaw_families[f]->recognise(w);
		if (name) {
			*variant = name;
			return thaw_families[f];
		}
	}
	return NULL;
}

/* The family with the longest start of timm's name. */
static const struct thaw_family *find_timm(const char *architecture)
{
	const struct thaw_family *found = NULL;
	size_t longest = 0;
	for (int f = 0; thaw_families[f]; f++) {
		for (const char *const *start = thaw_families[f]->timm; start && *start; start++) {
			size_t n = strlen(*start);
			if (n > longest && strncmp(architecture, *start, n) == 0) {
				longest = n;
				found = thaw_families[f];
			}
		}
	}
	return found;
}

static const struct thaw_family *find_transformers(const char *type)
{
	for (int f = 0; thaw_families[f]; f++)
		for (const char *const *t = thaw_families[f]->transformers; t && *t; t++)
			if (strcmp(*t, type) == 0)
				return thaw_families[f];
	return NULL;
}

/* The variant of timm's name, which may have a tag: "resnet50.a1_in1k". */
static const char *find_variant(const struct thaw_family *family, const char *architecture)
{
	char name[THAW_NETWORK_NAME];
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(architecture, "."), architecture);
	return family->variant_of ? family->variant_of(name) : NULL;
}

struct thaw_named_network thaw_family_of_config(const json_t *config)
{
	const char *architecture = json_string_value(json_object_get(config, "architecture"));
	const char *type = json_string_value(json_object_get(config, "model_type"));
	struct thaw_named_network named = {.name = architecture ? architecture : type};
	if (architecture)
		named.family = find_timm(architecture);
	else if (type)
		named.family = find_transformers(type);
	if (architecture && named.family)
		named.variant = find_variant(named.family, architecture);
	return named;
}

const char *thaw_family_list(char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (int f = 0; thaw_families[f]; f++) {
		const char *const *variants = thaw_families[f]->variants;
		for (int v = 0; variants[v] && v <= MOST_LISTED; v++) {
			const char *name = v < MOST_LISTED ? variants[v] : "...";
			int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
			if (n < 0 || (size_t)n >= size - used)
				return text;
			used += (size_t)n;
		}
	}
	return text;
}

const char *thaw_family_known(char *text, size_t size, bool timm)
{
	static const char more[] = ", ...";
	size_t used = 0;
	text[0] = '\0';
	for (int f = 0; thaw_families[f]; f++) {
		const char *const *names = timm ? thaw_families[f]->timm : thaw_families[f]->transformers;
		for (; names && *names; names++) {
			if (used + strlen(*names) + 2 * sizeof(more) > size) {
				snprintf(text + used, size - used, "%s", more);
				return text;
			}
			used += (size_t)snprintf(text + used, size - used, "%s%s%s", used ? ", " : "", *names,
						 timm ? "*" : "");
		}
	}
	return text;
}
