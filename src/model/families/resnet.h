/* A ResNet, shared by resnet.c, which builds it, resnet_tensors.c, which finds its sizes in a file, and
 * resnet_options.c, which reads what its tensors do not show. */
#ifndef THAW_SRC_MODEL_FAMILIES_RESNET_H
#define THAW_SRC_MODEL_FAMILIES_RESNET_H

#include <jansson.h>

#include "src/model/families/residual.h"
#include "thaw/model.h"

enum {
	THAW_RESNET_STAGES = 8, /* at most */
	THAW_RESNET_STEM = 3,   /* convolutions of a deep stem */
};

/* Names in files. A NULL name is not in such files. */
struct thaw_resnet_names {
	const char *conv, *norm;                                               /* of a stem of one convolution, */
	const char *deep_conv[THAW_RESNET_STEM], *deep_norm[THAW_RESNET_STEM]; /* and of one of three */
	const char *pool_conv, *pool_norm;    /* the convolution in place of the stem's pooling */
	const char *stage;                    /* before the number of a stage, */
	int first_stage;                      /* the number of the first one, */
	const char *in_stage;                 /* between it and the number of a block */
	const struct thaw_residual_names *in; /* a block */
	const char *head;
	bool legacy; /* of Caffe's SENets: how they pool, and which convolution has the stride */
};

struct thaw_resnet {
	const struct thaw_resnet_names *names;
	int64_t stem[THAW_RESNET_STEM]; /* channels after each convolution of a deep stem; else the first only */
	bool deep, pool_conv, batch_norms;
	int stages, blocks[THAW_RESNET_STAGES];
	/* Options. */
	int norm_groups; /* of group norms; 0: batch norms */
	enum thaw_antialias antialias;
	bool stride_first;               /* the first convolution of a bottleneck has the stride */
	bool stride_from_start;          /* the first stage has a stride, too */
	enum thaw_nonlinearity function; /* of the stem, and after the sums */
};

/* Those of torchvision and timm. */
extern const struct thaw_resnet_names thaw_resnet_torchvision;

/* Finds the names and sizes in a file. false: the tensors are not those of a ResNet. */
bool thaw_resnet_measure(struct thaw_resnet *r, const struct thaw_weights *w);
/* The name of a block, in text[THAW_LAYER_NAME]. */
void thaw_resnet_block_name(char *text, const struct thaw_resnet *r, int stage, int block);
/* Sets the sizes of a block of `in` channels, b->name is known. false: the tensors do not fit each other. */
bool thaw_resnet_measure_block(struct thaw_residual *b, const struct thaw_resnet *r, const struct thaw_weights *w,
			       int64_t in);

/* Sets the options of customary networks, of a->variant. */
void thaw_resnet_default_options(struct thaw_resnet *r, const char *variant);
/* Replaces those that config.json has; NULL: there is none. `source`: the file of the weights. THAW_CONFIG, naming the
 * key, if the network is one that resnet.c does not build, or if it is open which. */
thaw_status thaw_resnet_read_config(struct thaw_resnet *r, const struct thaw_architecture *a, const json_t *config,
				    const char *source);
/* The options as an object, which files of Thaw have in their metadata. A new reference; THAW_RESOURCE if out of
 * memory. */
thaw_status thaw_resnet_write_options(json_t **options, const struct thaw_resnet *r);
/* Sets the options from such an object; NULL: keeps those of *r. THAW_CONFIG if they are invalid. */
thaw_status thaw_resnet_read_options(struct thaw_resnet *r, const json_t *options);

#endif
