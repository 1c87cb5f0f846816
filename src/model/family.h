/* The families of networks, and finding the family of a network. Internal to src/model. */
#ifndef THAW_SRC_MODEL_FAMILY_H
#define THAW_SRC_MODEL_FAMILY_H

#include "thaw/model.h"

#define THAW_NETWORK_NAME 96   /* bytes: longer than any name of timm */
#define THAW_FAMILY_LIST  1024 /* bytes for thaw_family_list */

extern const struct thaw_family thaw_family_resnet;
extern const struct thaw_family thaw_family_resnet_v2;
extern const struct thaw_family thaw_family_vgg;
extern const struct thaw_family thaw_family_alexnet;
extern const struct thaw_family thaw_family_efficientnet;
extern const struct thaw_family thaw_family_cifar_resnet;
extern const struct thaw_family thaw_family_vit;
extern const struct thaw_family thaw_family_convnext;
extern const struct thaw_family thaw_family_regnet;
extern const struct thaw_family thaw_family_densenet;
extern const struct thaw_family thaw_family_mixer;
extern const struct thaw_family thaw_family_swin;

/* The family with this variant, or NULL. If `name` is not NULL, *name becomes the family's copy of the variant's name.
 */
const struct thaw_family *thaw_family_find(const char *variant, const char **name);

/* The family and variant of a state dict, found by the names and shapes of its tensors; NULL if none matches. `only`:
 * the family that config.json names; NULL: any. */
const struct thaw_family *thaw_family_recognise(const struct thaw_weights *w, const struct thaw_family *only,
						const char **variant);

/* What a config.json says of the network. */
struct thaw_named_network {
	const char *name;                 /* timm's architecture or transformers' model_type; NULL: none is named */
	const struct thaw_family *family; /* NULL: no family has it */
	const char *variant;              /* NULL: the tensors decide */
};

/* config NULL: there is no such file. The names point into the config. */
struct thaw_named_network thaw_family_of_config(const json_t *config);

/* Writes variants as "resnet18, resnet34, ..." to text[size] for a message: the first ones of each
 * family, as many as fit. Returns text. */
const char *thaw_family_list(char *text, size_t size);

/* The same of what a config.json may name: starts of timm's architectures, or transformers' model types. "..." stands
 * for what does not fit. */
const char *thaw_family_known(char *text, size_t size, bool timm);

#endif
