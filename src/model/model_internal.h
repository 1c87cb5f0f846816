/* Shared by the functions that load models. Internal to src/model. */
#ifndef THAW_SRC_MODEL_MODEL_INTERNAL_H
#define THAW_SRC_MODEL_MODEL_INTERNAL_H

#include "src/model/family.h"

/* Builds a variant's graph with all weights zero. `w`, the state dict that will be loaded, decides names and widths; it
 * may be NULL. classes 0: the family's own. */
thaw_status thaw_model_create(struct thaw_model **model, const struct thaw_family *family, const char *variant,
			      int64_t classes, const struct thaw_weights *w, const char *source);

/* Loads a state dict. `variant` NULL: as in the metadata, else recognised by the tensors. `source` is the file's name
 * for messages. Returns THAW_DATA if a tensor is missing, superfluous or of the wrong shape. */
thaw_status thaw_model_from_weights(struct thaw_model **model, const struct thaw_weights *w, const char *variant,
				    const char *source);

/* Splits FAMILY:FILE. If the text before the first colon is not a variant, *file is NULL. */
thaw_status thaw_model_split_spec(const char *spec, const char **variant, const char **file);

/* Outputs of the classifier. */
int64_t thaw_model_output_count(const struct thaw_graph *g);

/* Digest of all weights, in the graph's order. */
uint64_t thaw_model_weights_digest(const struct thaw_graph *g);

/* The safetensors file that is linked into the program; THAW_CONFIG if it was built without. */
thaw_status thaw_builtin_bytes(const void **bytes, size_t *size);

#endif
