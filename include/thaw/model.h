/* Pretrained networks: a graph with the knowledge of how to feed it and what it says. */
#ifndef THAW_MODEL_H
#define THAW_MODEL_H

#include "thaw/api.h"
#include "thaw/graph.h"
#include "thaw/transform.h"
#include "thaw/weights.h"

THAW_BEGIN_DECLS

struct thaw_model {
	struct thaw_graph *graph;
	char *variant; /* "resnet18": family and size, as thaw_family_build takes it; of an imported network its name */
	bool imported; /* the graph came from an ONNX file: no family can build it */
	bool features_only; /* that file has no classifier: the graph got one, which repeats the features */
	char *source;       /* where the weights came from; "random" for none */
	bool pretrained;
	struct thaw_preprocess preprocess;
	const char *preprocess_from; /* where that is known from, for the user to judge: "the family", "config.json" */
	char **labels;               /* class names, or NULL when unknown */
	int64_t classes;
	uint64_t digest; /* of all weights as they were loaded, in the graph's order */
};

/* Loads M of the command line:
 *   FAMILY            random weights drawn from `seed`, with `classes` outputs (0: the family's own)
 *   FAMILY:FILE       a state dict whose names are not recognised by themselves
 *   FILE              .safetensors or .pth, family recognised by the names of its tensors; or .onnx
 *   RUN               a run directory: its model.safetensors or model.onnx
 *   builtin           the network that comes with the program, pretrained on CIFAR-10
 */
thaw_status thaw_model_load(struct thaw_model **model, const char *spec, int64_t classes, uint64_t seed);
/* Loads an ONNX file, whatever it is called. */
thaw_status thaw_model_load_onnx(struct thaw_model **model, const char *path);
void thaw_model_destroy(struct thaw_model *model); /* NULL is fine */

/* Gives the model these classes: labels[classes] are copied. The classifier is replaced by a fresh
 * one (keyed by seed) unless labels are the same as before in number and name. */
thaw_status thaw_model_set_classes(struct thaw_model *model, int64_t classes, char *const *labels, uint64_t seed);

/* From now on the model is for images of this side in pixels (0: its own): its preprocessing in proportion, its
 * position embeddings resampled. THAW_CONFIG when the network cannot be. */
thaw_status thaw_model_set_size(struct thaw_model *model, int size);

/* Writes a safetensors file that torchvision (or whatever the names came from) loads, with variant,
 * labels and preprocessing in its metadata. half: tensors as F16. Atomic. */
thaw_status thaw_model_save(const struct thaw_model *model, const char *path, bool half);

/* Writes an ONNX model with the same metadata and the digest of what the network was made from. fold: batch norms go
 * into the convolutions before them. Atomic. */
thaw_status thaw_model_save_onnx(const struct thaw_model *model, const char *path, bool fold);

/* The file of a run directory that holds a network: of a known family, or an imported one. */
#define THAW_RUN_SAFETENSORS "model.safetensors"
#define THAW_RUN_ONNX        "model.onnx"
const char *thaw_model_file(const struct thaw_model *model);
/* Writes that file. */
thaw_status thaw_model_save_run(const struct thaw_model *model, const char *directory);

/* A group of networks that share a builder: one file in src/model/families and one line in
 * src/model/families.c. */
struct thaw_family {
	const char *name;
	const char *const *variants; /* NULL-ended: "resnet18", "resnet34", ... */
	int64_t classes;             /* outputs of the pretrained originals */
	/* The variant that these tensor names and shapes belong to, or NULL. */
	const char *(*recognise)(const struct thaw_weights *w);
	/* Builds the variant into the empty graph g, parameters named as in `w`, or in the family's first
	 * naming when w is NULL. Shapes that a file decides (widths, classes) are read from w. */
	thaw_status (*build)(struct thaw_graph *g, const char *variant, int64_t classes, const struct thaw_weights *w);
	/* How the originals were fed. */
	void (*preprocess)(const char *variant, struct thaw_preprocess *p);
};

extern const struct thaw_family *const thaw_families[]; /* NULL-ended */

THAW_END_DECLS

#endif
