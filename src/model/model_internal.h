/* Shared by the functions that load models. Internal to src/model. */
#ifndef THAW_SRC_MODEL_MODEL_INTERNAL_H
#define THAW_SRC_MODEL_MODEL_INTERNAL_H

#include "src/model/family.h"

/* Builds a variant's graph with all weights zero. `w`, the state dict that will be loaded, decides names and widths; it
 * may be NULL. classes 0: the family's own. options: see struct thaw_architecture; the model keeps a reference. */
thaw_status thaw_model_create(struct thaw_model **model, const struct thaw_family *family, const char *variant,
			      int64_t classes, const struct thaw_weights *w, json_t *options, const char *source);

/* Which state dict of a file is wanted. */
struct thaw_weights_request {
	const char *variant;  /* NULL: as in the metadata, else recognised by the tensors */
	const char *key;      /* --weights-key, or NULL */
	const char *source;   /* the file's name, for messages */
	const json_t *config; /* the config.json beside it; NULL: none. Set by thaw_model_from_weights */
};

/* Loads a state dict; the tensors of *w are reduced to it. Returns THAW_DATA if a tensor is missing, superfluous or of
 * the wrong shape. A missing classifier is no error: the model is then marked as features_only. */
thaw_status thaw_model_from_weights(struct thaw_model **model, struct thaw_weights *w,
				    const struct thaw_weights_request *request);

/* THAW_DATA if a weight is not a number or infinite. */
thaw_status thaw_model_check_finite(const struct thaw_graph *g, const char *source);

/* Splits FAMILY:FILE. If the text before the first colon is not a variant, *file is NULL. */
thaw_status thaw_model_split_spec(const char *spec, const char **variant, const char **file);

#define THAW_FROM_NETWORK "the network itself" /* source of a preprocessing value that its graph determines */

/* Appends to the model's notes. Returns THAW_RESOURCE if memory cannot be allocated. */
thaw_status thaw_model_add_note(struct thaw_model *m, const char *note);

#define THAW_FULLY_CONV_KEY "thaw.fully_conv" /* of a file's metadata: see struct thaw_model */
#define THAW_OPTIONS_KEY    "thaw.options"    /* the same */

/* Makes the network fully convolutional as recorded; recorded: NULL if it was not. THAW_DATA if invalid. */
thaw_status thaw_model_read_fully_conv(struct thaw_model *m, const char *recorded, const char *path);
/* The same at this input size, without a note. */
thaw_status thaw_model_fully_conv_at(struct thaw_model *m, int size);

/* Outputs of the classifier. */
int64_t thaw_model_output_count(const struct thaw_graph *g);

/* Digest of all weights, in the graph's order. */
uint64_t thaw_model_weights_digest(const struct thaw_graph *g);

/* Sets sigmoid_from if the config.json beside the file at `path`, or above its folder onnx/, has transformers'
 * problem_type for independent outputs. */
thaw_status thaw_model_read_problem_type(struct thaw_model *m, const char *path);

/* Sets sigmoid_from by the metadata under THAW_OUTPUT_KEY; recorded: NULL if there are none. THAW_DATA if invalid. */
thaw_status thaw_model_read_output(struct thaw_model *m, const char *recorded, const char *path);

/* standard_values.c: a copy of *m whose outputs are in the units of the data. It shares all but graph and classifier
 * with *m, which must have value_mean; the caller destroys copy->graph only. */
thaw_status thaw_model_copy_in_units(struct thaw_model *copy, const struct thaw_model *m);

/* The safetensors file that is linked into the program; THAW_CONFIG if it was built without. */
thaw_status thaw_builtin_bytes(const void **bytes, size_t *size);

#endif
