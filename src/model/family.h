/* What the model floor shares inside: the list of families, and how a network comes out of a state dict. */
#ifndef THAW_SRC_MODEL_FAMILY_H
#define THAW_SRC_MODEL_FAMILY_H

#include "thaw/model.h"

extern const struct thaw_family thaw_family_resnet;
extern const struct thaw_family thaw_family_vgg;
extern const struct thaw_family thaw_family_alexnet;
extern const struct thaw_family thaw_family_mobilenet_v2;
extern const struct thaw_family thaw_family_efficientnet_lite;
extern const struct thaw_family thaw_family_cifar_resnet;

/* The family that has this variant, with the family's own copy of its name; NULL when there is none. */
const struct thaw_family *thaw_family_find(const char *variant, const char **name);

/* The family and variant that the tensors belong to; NULL when no family knows them. */
const struct thaw_family *thaw_family_recognise(const struct thaw_weights *w, const char **variant);

/* All variants as "resnet18, resnet34, ...", cut to fit; for messages. Returns text. */
const char *thaw_family_list(char *text, size_t size);

/* The network of a state dict. `variant` NULL: as the metadata or the tensors' names say. `source` is the
 * file for messages. Every tensor of the file must have its place and every parameter its tensor. */
thaw_status thaw_model_from_weights(struct thaw_model **model, const struct thaw_weights *w, const char *variant,
				    const char *source);

/* Whether a path is called like an ONNX file. */
bool thaw_model_is_onnx(const char *path);

/* Outputs of the classifier, and the digest of all weights. */
int64_t thaw_model_classes_of(const struct thaw_graph *g);
uint64_t thaw_model_digest_of(const struct thaw_graph *g);

/* Labels and preprocessing as texts in a file's metadata. The texts are from thaw_alloc. */
thaw_status thaw_metadata_write_labels(char **text, char *const *labels, int64_t count);
thaw_status thaw_metadata_read_labels(char ***labels, int64_t count, const char *text);
thaw_status thaw_metadata_write_preprocess(char **text, const struct thaw_preprocess *p);
bool thaw_preprocess_usable(const struct thaw_preprocess *p); /* sizes in range, numbers that are some */
thaw_status thaw_metadata_read_preprocess(struct thaw_preprocess *p, const char *text);

/* A copy of the names; NULL with THAW_RESOURCE recorded. */
char **thaw_labels_copy(char *const *labels, int64_t count);
void thaw_labels_free(char **labels, int64_t count); /* NULL is fine */

/* The safetensors file inside the program; THAW_CONFIG when it was built without. */
thaw_status thaw_builtin_bytes(const void **bytes, size_t *size);

#endif
