/* Finds the state dict of a network among what a trainer saved. Internal to src/model. */
#ifndef THAW_SRC_MODEL_UNWRAP_H
#define THAW_SRC_MODEL_UNWRAP_H

#include "src/model/family.h"

struct thaw_unwrapped {
	const struct thaw_family *family; /* NULL: none recognises the tensors, which are the most likely ones */
	const char *variant;
	bool named;   /* see struct thaw_architecture; set by the caller of thaw_unwrap */
	char *note;   /* what was chosen, removed and passed over, from thaw_alloc; NULL: nothing */
	bool is_part; /* a linear layer beside the prefix follows the network: its own classifier is not that of the
			 file */
};

/* Searches all dicts of *w, and all common prefixes of their names, for tensors that a family recognises; wrappers such
 * as DistributedDataParallel and torch.compile, which add "module." and "_orig_mod.", are removed from the names first.
 * Weights of the wanted variant are preferred, then those that are no moving average, then the larger set. The tensors
 * of *w become those of the network, without prefix. `key`, if not NULL, is the path or prefix of the wanted ones;
 * `wanted`, if not NULL, a variant whose family they have, and `only`, if not NULL, their family. Returns THAW_USAGE if
 * there are no weights of this key. The caller frees result->note, also on failure. */
thaw_status thaw_unwrap(struct thaw_weights *w, const char *key, const char *wanted, const struct thaw_family *only,
			struct thaw_unwrapped *result, const char *source);

#endif
