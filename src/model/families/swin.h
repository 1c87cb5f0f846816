/* A Swin Transformer, shared by swin_describe.c, which finds names and sizes in its file, swin_options.c, which reads
 * what tensors do not show, swin_windows.c, which divides features into windows, swin_block.c, which builds the blocks,
 * and swin.c, which builds the network. */
#ifndef THAW_SRC_MODEL_FAMILIES_SWIN_H
#define THAW_SRC_MODEL_FAMILIES_SWIN_H

#include <jansson.h>

#include "src/model/families/nonlinearity.h"
#include "src/model/families/tokens.h"
#include "thaw/model.h"

enum { THAW_SWIN_STAGES = 8 }; /* at most; all published networks have 4 */

/* Whose network it is: they differ in windows that do not fit the features. */
enum thaw_swin_maker { THAW_SWIN_TIMM, THAW_SWIN_TRANSFORMERS, THAW_SWIN_TORCHVISION };

/* Names in files; those of the stem, the stages and the last norm come after thaw_swin.base. A NULL name is not in such
 * files. */
struct thaw_swin_names {
	enum thaw_swin_maker maker;
	const char *patch, *patch_norm;
	/* Block j of stage i: STAGE<first + step i>BLOCK<j>; the merging before it: STAGE<merge_first + step i>MERGE.
	 */
	const char *stage, *block, *merge;
	int first, merge_first, step;
	const char *norm, *head;
	/* In a block. */
	const char *norm1, *norm2, *project, *fc1, *fc2;
	const char *qkv, *query, *key, *value; /* one layer, or three */
	const char *query_bias, *value_bias;   /* V2: apart from qkv */
	const char *table;                     /* V1: biases of relative positions */
	const char *logit_scale, *mlp1, *mlp2; /* V2 */
	/* Of torchvision: indices of relative positions, and in V2 their coordinates. Its files must have them. */
	const char *index, *coordinates;
};

struct thaw_swin_stage {
	int blocks;
	int64_t channels, hidden, heads;
	/* Options. */
	int64_t window;     /* side */
	int64_t pretrained; /* V2: side of the windows for which the network was trained first; 0: of `window` */
};

struct thaw_swin {
	const struct thaw_swin_names *names;
	const char *base; /* start of the names: "swin." */
	bool v2;
	bool qkv_bias;
	int64_t patch;
	int stages;
	struct thaw_swin_stage stage[THAW_SWIN_STAGES];
	/* Options. */
	int64_t side;   /* of the images, which are square */
	double epsilon; /* of the norms but those of stem and merging */
	enum thaw_nonlinearity act;
};

#define THAW_SWIN_NAME (2 * THAW_LAYER_NAME) /* bytes for a name */

/* "swin" or "swinv2"; NULL if the file is of another network. */
const char *thaw_swin_recognise(const struct thaw_weights *w);

/* What is known of the network without config.json: sizes, and the customary options. */
struct thaw_swin thaw_swin_describe(const struct thaw_architecture *a);

/* Writes the name of block j of stage i, or of the merging before stage i, to name[THAW_SWIN_NAME]. Returns name. */
const char *thaw_swin_block_name(const struct thaw_swin *s, int i, int j, char *name);
const char *thaw_swin_merge_name(const struct thaw_swin *s, int i, char *name);

/* How the features of a stage are divided into windows. */
struct thaw_swin_grid {
	int64_t side;    /* of the features */
	int64_t window;  /* side */
	int64_t count;   /* of windows along a side; the last may be padded */
	int64_t shift;   /* of the windows of every other block; 0: none is shifted */
	bool pads_first; /* features are padded before they are shifted */
};

/* The grid of stage i. */
struct thaw_swin_grid thaw_swin_grid_of(const struct thaw_swin *s, int i);

/* What the blocks of a stage share: its grid, and values of the graph. */
struct thaw_swin_shared {
	struct thaw_swin_grid grid;
	char name[THAW_LAYER_NAME];         /* of the stage: start of the names of these values */
	int to_windows[2], from_windows[2]; /* indices; [1]: of shifted windows. -1: not yet in the graph */
	int mask, pairs, coordinates;       /* the same */
};

void thaw_swin_share(struct thaw_swin_shared *shared, const struct thaw_swin *s, int i);

/* Tokens (N,T,C) as windows (N*windows,t,C), and back. */
int thaw_swin_divide(struct thaw_graph *g, int x, struct thaw_swin_shared *shared, bool shifted, const char *name);
int thaw_swin_join(struct thaw_graph *g, int x, struct thaw_swin_shared *shared, bool shifted, const char *name);
/* Adds the mask of shifted windows to the bias (1,heads,t,t): pairs of tokens that are not neighbours have `blocked`.
 */
int thaw_swin_add_mask(struct thaw_graph *g, int bias, struct thaw_swin_shared *shared, float blocked,
		       const char *name);
/* Indices (t*t) of the relative positions of all pairs of tokens in a window. */
int thaw_swin_pairs(struct thaw_graph *g, struct thaw_swin_shared *shared);
/* V2: coordinates (1,2w-1,2w-1,2) of the relative positions in windows of w x w, for a network that was trained first
 * with windows of this side. */
int thaw_swin_coordinates(struct thaw_graph *g, struct thaw_swin_shared *shared, int64_t pretrained);

/* Block j of stage i: x (N,T,C). */
int thaw_swin_block(struct thaw_graph *g, int x, const struct thaw_swin *s, int i, int j,
		    struct thaw_swin_shared *shared);

/* Sets the options of customary networks. The rest of *s is known, and windows that the tensors show. name: of the
 * variant, or timm's name of a network. */
void thaw_swin_default_options(struct thaw_swin *s, const char *name);
/* See struct thaw_family. */
thaw_status thaw_swin_find_options(json_t **options, const struct thaw_architecture *a, const json_t *config,
				   const char *source);
/* Sets the options from an object that thaw_swin_find_options has made; NULL: keeps those of *s. THAW_CONFIG if they
 * are invalid. */
thaw_status thaw_swin_read_options(struct thaw_swin *s, const json_t *options);

#endif
