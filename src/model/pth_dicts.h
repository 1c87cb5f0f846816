/* Finds the dicts of tensors in the pickle of a .pth file. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PTH_DICTS_H
#define THAW_SRC_MODEL_PTH_DICTS_H

#include "src/pickle/pickle.h"

struct thaw_pth_entry {
	struct thaw_pickle_text name;
	const struct thaw_pickle_tensor *tensor;
};

/* A dict of tensors, or the parameters and buffers of a pickled module. Its memory belongs to the pickle. */
struct thaw_pth_dict {
	struct thaw_pickle_text path;
	const void *from; /* identifies the dict: two paths may lead to the same one */
	struct thaw_pth_entry *entries;
	size_t count, room;
	const struct thaw_pickle_object *module;     /* what it was read from, or NULL */
	struct thaw_pickle_text unreadable_name;     /* of a tensor of an unsupported type */
	const struct thaw_pickle_object *unreadable; /* that tensor, or NULL */
};

#define THAW_PTH_MAX_DICTS 64

struct thaw_pth_dicts {
	struct thaw_pth_dict dict[THAW_PTH_MAX_DICTS];
	int count;
};

/* Searches the dicts, lists and attributes that are reached by names, the likely ones first: those that are no moving
 * average before those that are, larger ones before smaller ones. Depth and number of the visited values are limited.
 * An optimizer's state is not found, since its keys are numbers. */
thaw_status thaw_pth_find_dicts(struct thaw_pickle *p, struct thaw_pth_dicts *dicts);

#endif
