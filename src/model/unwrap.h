/* Finds the state dict of a network among what a trainer saved. Internal to src/model. */
#ifndef THAW_SRC_MODEL_UNWRAP_H
#define THAW_SRC_MODEL_UNWRAP_H

#include "src/model/family.h"

/* Searches all dicts of *w, and all common prefixes of their names, for tensors that a family recognises; wrappers such
 * as DistributedDataParallel and torch.compile, which add "module." and "_orig_mod.", are removed from the names first.
 * Weights that are no moving average are preferred, then the larger set. The tensors of *w become those of the network,
 * without prefix. `key`, if not NULL, is the path or prefix of the wanted ones; `wanted`, if not NULL, the variant.
 * *family and *variant are what was recognised, or NULL: then *w has the most likely tensors, for a message.
 * *note says what was chosen, removed and passed over (from thaw_alloc; NULL: nothing).
 * Returns THAW_USAGE if there are no weights of this key. */
thaw_status thaw_unwrap(struct thaw_weights *w, const char *key, const char *wanted, const struct thaw_family **family,
			const char **variant, char **note, const char *source);

#endif
