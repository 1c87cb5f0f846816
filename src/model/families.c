/* The table of families; finding a family by the name of a variant or by the tensors of a state dict. */
#include "src/model/family.h"

#include <stdio.h>
#include <string.h>

const struct thaw_family *const thaw_families[] = {
	&thaw_family_resnet,
	&thaw_family_vgg,
	&thaw_family_alexnet,
	&thaw_family_mobilenet_v2,
	&thaw_family_efficientnet_lite,
	&thaw_family_cifar_resnet,
	&thaw_family_vit,
	NULL,
};

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

const struct thaw_family *thaw_family_recognise(const struct thaw_weights *w, const char **variant)
{
	for (int f = 0; thaw_families[f]; f++) {
		const char *name = thaw_families[f]->recognise(w);
		if (name) {
			*variant = name;
			return thaw_families[f];
		}
	}
	return NULL;
}

const char *thaw_family_list(char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (int f = 0; thaw_families[f]; f++) {
		for (const char *const *v = thaw_families[f]->variants; *v; v++) {
			int n = snprintf(text + used, size - used, "%s%s", used ? ", " : "", *v);
			if (n < 0 || (size_t)n >= size - used)
				return text;
			used += (size_t)n;
		}
	}
	return text;
}
