/* Shared by both forms of .pth files: from a pickle and storages to named tensors. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PTH_H
#define THAW_SRC_MODEL_PTH_H

#include "src/model/pickle_torch.h"
#include "src/model/weights_format.h"
#include "src/pickle/pickle.h"

/* A storage named by the pickle. The reader of the form sets `data`. */
struct thaw_pth_storage {
	struct thaw_pickle_text key;
	enum thaw_dtype dtype;
	int64_t count;
	size_t bytes;
	const unsigned char *data; /* NULL until found in the file */
};

struct thaw_pth {
	const char *file; /* for messages */
	struct thaw_pickle pickle;
	struct thaw_pth_storage *storages; /* [storage_count] sorted by key, each key once */
	size_t storage_count;
	struct thaw_pth_block *blocks; /* memory for data that cannot be used in place */
	size_t allocated, budget;      /* bytes in blocks, and their limit, which depends on the file's size */
};

/* Initialises *pth for a file of this size. */
void thaw_pth_init(struct thaw_pth *pth, const char *file, size_t file_bytes);
void thaw_pth_free(struct thaw_pth *pth);

/* Parses the pickle of the objects and lists the storages it names. */
thaw_status thaw_pth_unpickle(struct thaw_pth *pth, const unsigned char *bytes, size_t size);
/* The storage of that key, or NULL. */
struct thaw_pth_storage *thaw_pth_find(const struct thaw_pth *pth, struct thaw_pickle_text key);
/* Moves the dicts of tensors to the zeroed *w. The data of all storages must be set. */
thaw_status thaw_pth_finish(struct thaw_pth *pth, struct thaw_weights *w);

/* Allocates memory that *w owns after thaw_pth_finish. THAW_DATA if it exceeds the budget. */
thaw_status thaw_pth_alloc(struct thaw_pth *pth, size_t bytes, unsigned char **memory);

#endif
