/* Visits the blocks of a network of mobile blocks, with the sizes that its tensors or a plan give them. */
#ifndef THAW_SRC_MODEL_FAMILIES_INVERTED_WALK_H
#define THAW_SRC_MODEL_FAMILIES_INVERTED_WALK_H

#include "src/model/families/inverted.h"
#include "src/model/families/layers.h"

#define THAW_INVERTED_PARTS 8

/* A convolution and its batch norm, with their full names. */
struct thaw_inverted_unit {
	char conv[2 * THAW_LAYER_NAME], norm[2 * THAW_LAYER_NAME];
	int64_t in, out, groups;
	int kernel; /* of mixed convolutions, the largest */
	int parts;  /* mixed convolutions (Tan and Le, BMVC 2019): so many on parts of the channels; 0: one on all */
	int64_t values; /* of the convolutions' weights, in files */
	enum thaw_inverted_end end;
};

struct thaw_inverted_block {
	char name[THAW_LAYER_NAME];
	int stage, number; /* number: from 0 through the whole network */
	bool first;        /* of its stage */
	int64_t in, out;
	struct thaw_inverted_unit unit[THAW_INVERTED_UNITS];
	int units;
	const struct thaw_inverted_kind *kind;
	int64_t squeezed; /* channels between the two layers of squeeze-and-excitation; 0: there is none */
};

struct thaw_inverted_walk {
	const struct thaw_inverted_naming *naming;
	const struct thaw_weights *w;          /* or NULL, and then: */
	const struct thaw_inverted_plan *plan; /* whose next stage is at `stages` */
	const char *stages;
	int left, expand, kernel; /* of the current stage of the plan */
	int64_t channels;         /* the same; else, of the last block */
	int in_stage;             /* number of the next block within its stage */
	struct thaw_inverted_unit stem;
	struct thaw_inverted_block block; /* the current one */
};

/* Starts before the first block. Returns false if there is no stem. */
bool thaw_inverted_start(struct thaw_inverted_walk *walk, const struct thaw_inverted_naming *naming,
			 const struct thaw_weights *w, const struct thaw_inverted_plan *plan);
/* Goes on to the next block; false: there is none. */
bool thaw_inverted_next(struct thaw_inverted_walk *walk);
/* The convolution after the last block; false: there is none. */
bool thaw_inverted_head(const struct thaw_inverted_walk *walk, struct thaw_inverted_unit *head);
/* Part i of a unit of mixed convolutions; false: it is absent or not valid. */
bool thaw_inverted_part(struct thaw_inverted_unit *part, const struct thaw_inverted_unit *whole, int parts, int i,
			const struct thaw_weights *w);
/* Whether there is a layer between pooling and classifier. */
bool thaw_inverted_has_hidden(const struct thaw_inverted_walk *walk);

/* Number of trained values in a state dict without its classifier, which tells networks apart. 0: there are no blocks.
 */
int64_t thaw_inverted_count(const struct thaw_inverted_naming *naming, const struct thaw_weights *w);

#endif
