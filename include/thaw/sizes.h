/* The input size of each step of a run: a function of the seed and the position, so that it is the same on any number
 * of ranks and after a resume. */
#ifndef THAW_SIZES_H
#define THAW_SIZES_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/model.h"
#include "thaw/transform.h"

THAW_BEGIN_DECLS

enum thaw_sizes_mode {
	THAW_SIZES_FIXED,   /* one for all steps */
	THAW_SIZES_RANDOM,  /* one per step and lane */
	THAW_SIZES_GROWING, /* one per epoch, from the first to the last of the run */
	THAW_SIZES_NATIVE,  /* that of each image */
};

/* --size of a training. */
struct thaw_sizes {
	enum thaw_sizes_mode mode;
	/* The first and the last; equal if fixed; squares of the smallest and largest side if native. Sides are 0 if
	 * no size was given. */
	struct thaw_size from, to;
	int stride;                /* by which sides differ: that of the network */
	struct thaw_native native; /* zero unless native */
};

/* Reads "224", "224x288" (height x width), "160-288", "128:224" or "native"; NULL: not given. THAW_USAGE, naming the
 * flag, for any other text. */
thaw_status thaw_sizes_read(struct thaw_sizes *s, const char *text);

/* The size that a network is evaluated at after a training with these sizes, unless another one is given: the only one,
 * the middle of the range in multiples of the network's stride, or the last one. Sides are 0 for the network's own. */
struct thaw_size thaw_sizes_evaluation(const struct thaw_sizes *s, const struct thaw_model *model);

/* Fits the sizes to the network, whose own size must be final, and checks that it takes them. largest: limit of native
 * sides; 0: twice the network's own longer side. THAW_USAGE if the range has no multiple of the network's stride,
 * THAW_CONFIG if the network does not take the sizes. */
thaw_status thaw_sizes_fit(struct thaw_sizes *s, const struct thaw_model *model, int largest);

/* Which sizes a network takes, with its own weights. */
enum thaw_size_freedom {
	THAW_SIZE_FIXED, /* its own only */
	THAW_SIZE_ONE,   /* another one, but only one in a run: position embeddings are resampled for it */
	THAW_SIZE_ANY,
};

/* *limits: as by thaw_native_limits if any size can be used. THAW_RESOURCE if out of memory. */
thaw_status thaw_size_freedom(enum thaw_size_freedom *freedom, struct thaw_native *limits,
			      const struct thaw_model *model);

/* The limits of native sizes of a network. THAW_CONFIG, naming the node, if it takes one size only. */
thaw_status thaw_native_limits(struct thaw_native *native, const struct thaw_model *model, int largest);

/* A step of a run. */
struct thaw_step_place {
	uint64_t seed;
	int64_t epoch, epochs; /* of the run, from 0, and their number */
	int64_t step;          /* of the epoch */
	int lane;
	int64_t view; /* the fixed view that the epoch uses: the size then does not depend on the step; -1: none */
};

/* Not for native sizes. */
struct thaw_size thaw_sizes_at(const struct thaw_sizes *s, const struct thaw_step_place *p);

/* The value of "size" in config.json: a number, or a text. A new reference. */
json_t *thaw_sizes_json(const struct thaw_sizes *s);

#define THAW_SIZES_LINE 256 /* bytes for thaw_sizes_line */

/* Writes a line for the log to text[size] and returns it; NULL if there is one size only. */
const char *thaw_sizes_line(const struct thaw_sizes *s, char *text, size_t size);

THAW_END_DECLS

#endif
