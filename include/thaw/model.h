/* Pretrained networks: a graph with its preprocessing and class labels. */
#ifndef THAW_MODEL_H
#define THAW_MODEL_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/graph.h"
#include "thaw/transform.h"
#include "thaw/weights.h"

THAW_BEGIN_DECLS

/* The values of a preprocessing that may have different sources. */
enum thaw_preprocess_value {
	THAW_VALUE_SIZE,
	THAW_VALUE_CROP,
	THAW_VALUE_INTERPOLATION,
	THAW_VALUE_MEAN,
	THAW_VALUE_STD,
	THAW_PREPROCESS_VALUES, /* their number */
};

struct thaw_model {
	struct thaw_graph *graph;
	json_t *options; /* see struct thaw_architecture; NULL: none */
	/* The config.json that the network came with, as far as it is recorded; NULL: none, or another network's. */
	json_t *config;
	char *variant; /* a variant of a family, e.g. "resnet18"; for an imported network its name */
	bool imported; /* the graph is from an ONNX file, not from a family */
	/* The file has no classifier. The graph of an imported network then has an identity classifier instead; that of
	 * a family has one whose weights are 0. */
	bool features_only;
	char *notes;  /* what was chosen from the file, left out and passed over, for the user; NULL: nothing */
	char *source; /* the file of the weights, "builtin" or "random" */
	bool pretrained;
	/* Where it is said that the outputs are independent, for the user, so that their probabilities are sigmoids;
	 * NULL: they are of one class among all, a softmax. Training makes them that. */
	const char *sigmoid_from;
	struct thaw_preprocess preprocess;
	const char *preprocess_from; /* source of the preprocessing, for the user: "the family", "config.json", ... */
	/* Sources of single values; NULL: preprocess_from. */
	const char *value_from[THAW_PREPROCESS_VALUES];
	bool preprocess_recorded; /* Thaw recorded the preprocessing in the file or run, as that of the training */
	int fully_conv; /* the input size at which its fully connected layers became convolutions; 0: they did not */
	enum thaw_task task; /* what the outputs are */
	float *thresholds;   /* [classes] of labels: probability from which one is predicted; NULL: 0.5 for all */
	/* [classes] each, while numbers are learned: the outputs are (number - mean) / deviation. NULL: the outputs are
	 * in the units of the data, as in files. */
	double *value_mean, *value_deviation;
	char **labels; /* [classes] names of classes, labels, grades or quantities, or NULL if unknown */
	int64_t classes;
	uint64_t digest; /* of all weights when they were loaded, in the graph's order */
};

/* Loads a model, given as for --model on the command line:
 *   FAMILY            a variant with random weights from `seed` and `classes` outputs (0: the family's default)
 *   FAMILY:FILE       a state dict of this variant
 *   FILE              .safetensors or .pth, the variant recognised by the tensors; or .onnx
 *   FILE.onnx:OUTPUT  the network up to this output of the ONNX file
 *   RUN               a run directory: its model.safetensors or model.onnx
 *   builtin           the network that is linked into the program, pretrained on CIFAR-10
 * Returns THAW_IO if there is no such file or network, THAW_DATA if the file is damaged or does not match the network,
 * THAW_CONFIG if the network is unknown or not supported. The caller destroys *model with thaw_model_destroy. */
thaw_status thaw_model_load(struct thaw_model **model, const char *spec, int64_t classes, uint64_t seed);
/* The same with the key of the wanted weights in a file that has several, as for --weights-key; NULL: any. Returns
 * THAW_USAGE if the model has no weights of this key. */
thaw_status thaw_model_load_key(struct thaw_model **model, const char *spec, const char *key, int64_t classes,
				uint64_t seed);
/* THAW_DATA if the model has no classifier, so that it must be trained before it can classify. */
thaw_status thaw_model_check_classifier(const struct thaw_model *model);
/* Loads an ONNX file; the extension is not checked. output: name of the output to use; NULL: that of its classifier,
 * else that of its features. Fails like thaw_model_load, THAW_USAGE if there is no such output. */
thaw_status thaw_model_load_onnx(struct thaw_model **model, const char *path, const char *output);
void thaw_model_destroy(struct thaw_model *model); /* NULL is fine */

/* Sets the model's classes to labels[classes], which are copied. Unless they equal the model's own, the classifier is
 * replaced by a new one with random weights from `seed`. */
thaw_status thaw_model_set_classes(struct thaw_model *model, int64_t classes, char *const *labels, uint64_t seed);

/* Changes the size of the input (0: unchanged): scales the preprocessing in proportion and resamples position
 * embeddings. Returns THAW_CONFIG if the network has another fixed input size. */
thaw_status thaw_model_set_size(struct thaw_model *model, struct thaw_size size);

/* The same for another task than one class per image; the classifier is also replaced if the model has another task.
 * *replaced: whether it was. */
thaw_status thaw_model_set_task(struct thaw_model *model, enum thaw_task task, int64_t classes, char *const *labels,
				uint64_t seed, bool *replaced);

/* Number of outputs: one per class, but one less than there are grades. */
int64_t thaw_model_outputs(const struct thaw_model *model);

/* THAW_CONFIG, naming `what`, if the network was trained for another task. */
thaw_status thaw_model_check_task(const struct thaw_model *model, enum thaw_task task, const char *what);

/* Copies thresholds[classes] of labels. */
thaw_status thaw_model_set_thresholds(struct thaw_model *model, const float *thresholds);

/* From now on the outputs are (number - mean) / deviation, of mean[classes] and deviation[classes], which are copied.
 * unfold: changes the classifier's weights accordingly, whose outputs are in the units of the data. THAW_CONFIG if the
 * network has no bias there. */
thaw_status thaw_model_standardise(struct thaw_model *model, const double *mean, const double *deviation, bool unfold);
/* Changes the classifier's weights back, if they are for standardised outputs. */
void thaw_model_to_units(struct thaw_model *model);

/* Changes the input size (0: unchanged), and then the preprocessing as the flags say. What a trained network recorded
 * otherwise is added to the notes. Call it once, after loading. Not collective. Returns the errors of
 * thaw_model_set_size and thaw_preprocess_override_apply. */
thaw_status thaw_model_set_preprocess(struct thaw_model *model, struct thaw_size size,
				      const struct thaw_preprocess_override *o);

/* Makes the network fully convolutional (thaw_graph_fully_conv), at its present input size, and notes what was done.
 * Call it before the size is changed. A trained network keeps the form: it is recorded in its file. Returns THAW_CONFIG
 * if the network cannot be made so. */
thaw_status thaw_model_make_fully_conv(struct thaw_model *model);

#define THAW_PREPROCESS_SOURCE 256 /* bytes for thaw_model_preprocess_source */
#define THAW_PREPROCESS_LINE   640 /* bytes for thaw_model_preprocess_line */

/* Writes where the preprocessing is from to text[size]: "config.json", or, if it has several sources, "mean, std:
 * flags; rest: config.json". Returns text. */
const char *thaw_model_preprocess_source(const struct thaw_model *model, char *text, size_t size);

/* Writes "images (SOURCE): PREPROCESSING" to text[size]. Returns text. */
const char *thaw_model_preprocess_line(const struct thaw_model *model, char *text, size_t size);

/* The preprocessing as an object: from, sources (of each value), text, size, resize, mode, filter, channels, mean, std.
 * A new reference; NULL if memory cannot be allocated. */
json_t *thaw_model_preprocess_json(const struct thaw_model *model);

/* THAW_CONFIG on all ranks if they have other weights or another preprocessing, which may come from a file that differs
 * between nodes. Collective. */
thaw_status thaw_model_same(struct thaw_comm *comm, const struct thaw_model *model);

/* probability (n,classes) of outputs (n, thaw_model_outputs): a softmax, sigmoids or those of grades, as the network
 * means. Not for a network that predicts numbers. */
void thaw_model_probabilities(const struct thaw_model *model, const float *logits, int64_t n, float *probability);

/* The grade that the outputs [thaw_model_outputs] of a network for grades predict. */
int64_t thaw_model_grade(const struct thaw_model *model, const float *outputs);

/* Writes a safetensors file with the tensor names of the original state dict, so that torchvision (or the framework it
 * came from) loads it; variant, labels and preprocessing are in its metadata. half: tensors as F16. Atomic. */
thaw_status thaw_model_save(const struct thaw_model *model, const char *path, bool half);

/* Writes an ONNX model with the same metadata, and the source and digest of the weights it was loaded from. fold: batch
 * norms are folded into the convolutions before them. Atomic. */
thaw_status thaw_model_save_onnx(const struct thaw_model *model, const char *path, bool fold);
/* The same with a second output: the grid of class scores (thaw_graph_find_grid). THAW_CONFIG if there is none. */
thaw_status thaw_model_save_onnx_grid(const struct thaw_model *model, const char *path, bool fold);

/* Writes the directory that transformers or timm, whichever the network's config.json is of, load as it is: weights,
 * configuration with the network's labels, preprocessing, and `card` as README.md. half: as above. The directory is
 * created, and must be empty; config.json is written last. THAW_CONFIG if the network came from ONNX, no architecture
 * of timm or transformers is known for it, or they cannot express its task or preprocessing. */
thaw_status thaw_model_save_hub(const struct thaw_model *model, const char *directory, const char *card, bool half);
/* Which of the two it is, "timm" or "transformers"; NULL if none is known. */
const char *thaw_model_hub_library(const struct thaw_model *model);

/* The file of the trained network in a run directory: for a network of a family, and for an imported one. */
#define THAW_RUN_SAFETENSORS "model.safetensors"
#define THAW_RUN_ONNX        "model.onnx"
/* Which of the two names this model's file has. */
const char *thaw_model_file_name(const struct thaw_model *model);
/* Writes that file to the directory, with adapters merged into the weights. Those of a family's network are written
 * besides, as thaw_model_save_adapters does. Each file is atomic. */
thaw_status thaw_model_save_run(const struct thaw_model *model, const char *directory);

/* The files of adapters (thaw_graph_add_adapters), as PEFT reads and writes them. */
#define THAW_ADAPTER_CONFIG  "adapter_config.json"
#define THAW_ADAPTER_WEIGHTS "adapter_model.safetensors"
/* Writes these files to the directory: adapters under the names of the network's file, and the classifier, which
 * trained as a whole. THAW_CONFIG if the network has no adapters or is imported: its names are not those of modules.
 * Each file is atomic. */
thaw_status thaw_model_save_adapters(const struct thaw_model *model, const char *directory);

/* Records in the run directory what the run starts from (origin.json): `spec`, as given to thaw_model_load_key with
 * `key` and `seed`, and this model's labels and preprocessing. Atomic. */
thaw_status thaw_model_save_origin(const struct thaw_model *model, const char *spec, const char *key, uint64_t seed,
				   const char *directory);
/* Loads that network as it was before the first step. THAW_IO if there is no record, or the network is not there. */
thaw_status thaw_model_load_origin(struct thaw_model **model, const char *directory);

/* What a family builds a network from. */
struct thaw_architecture {
	const char *variant;
	bool named; /* to `options`: the user, config.json or Thaw's metadata name the variant, not only the tensors */
	int64_t classes; /* outputs, unless `w` has a classifier */
	/* The state dict that will be loaded: it decides parameter names, and the widths and classes that may differ
	 * between files. NULL: the family's defaults. */
	const struct thaw_weights *w;
	const json_t *options; /* what tensors do not show, such as the number of heads; NULL: the family's defaults */
};

/* A family of networks: one file in src/model/families and one line in src/model/families.c. */
struct thaw_family {
	const char *name;
	const char *const *variants; /* NULL-terminated: "resnet18", "resnet34", ... */
	int64_t classes;             /* outputs of the original pretrained networks */
	/* Networks in config.json that are of this family, as NULL-terminated lists or NULL: starts of timm's
	 * "architecture" (the longest start of all families decides), and transformers' "model_type". */
	const char *const *timm, *const *transformers;
	/* The variant that timm's name of a network means, without the tag after the dot; NULL if the tensors decide.
	 * NULL: they do for all names. */
	const char *(*variant_of)(const char *architecture);
	/* A variant with this tensor is timm's architecture of the same name, also where no config.json says so. NULL:
	 * none is. */
	const char *timm_tensor;
	/* The variant with these tensor names and shapes, or NULL. */
	const char *(*recognise)(const struct thaw_weights *w);
	/* For families with variants that tensors do not distinguish, which need variant_of, too; else both NULL. The
	 * first variant with the tensors of this one, which is what `recognise` finds; and whether a variant's files
	 * have names of tensors like those of w, in which such a variant was recognised. */
	const char *(*recognised_as)(const char *variant);
	bool (*has_names)(const char *variant, const struct thaw_weights *w);
	bool one_size; /* a network is for the size of images in its preprocessing only */
	/* Last parts of the names of tensors in files that follow from the options, such as masks: they are passed
	 * over. A NULL-terminated list, or NULL. */
	const char *const *buffers;
	/* Finds the options of the network in `w`: a new object. They are those of its config.json (NULL: none), else
	 * the customary ones. `source` is the file of the weights. THAW_CONFIG, naming the key, if config.json
	 * describes a network that the family does not build. NULL: the family has no options. */
	thaw_status (*options)(json_t **options, const struct thaw_architecture *a, const json_t *config,
			       const char *source);
	/* Changes tensors of a file into those that `build` reads, if it has them in another form, once the family is
	 * known. *memory, which is NULL, becomes what their new data points into; the caller frees it when the
	 * values are copied. THAW_DATA if they do not fit. NULL: files have one form. */
	thaw_status (*change)(struct thaw_weights *w, void **memory);
	/* Parts of names, as a NULL-terminated list, of tensors that such files may have for other tasks than
	 * classification, and that are passed over. NULL: none. */
	const char *const *unused;
	/* Builds the network into the empty graph g. THAW_CONFIG if the options are invalid. */
	thaw_status (*build)(struct thaw_graph *g, const struct thaw_architecture *a);
	/* The preprocessing of the original networks. */
	void (*preprocess)(const struct thaw_architecture *a, struct thaw_preprocess *p);
};

extern const struct thaw_family *const thaw_families[]; /* NULL-terminated */

THAW_END_DECLS

#endif
