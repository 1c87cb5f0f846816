/* What both forms of a .pth file share: from a pickle and storages to named tensors. Internal to src/model. */
#ifndef THAW_PTH_H
#define THAW_PTH_H

#include "src/model/pickle.h"
#include "src/model/weights_format.h"

/* A storage of the pickle, each key once. The reader of the form sets `data`. */
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
	struct thaw_pth_storage *storages; /* sorted by key */
	size_t storage_count;
	struct thaw_pth_block *blocks; /* memory for what cannot be used where it lies in the file */
	size_t allocated, budget;      /* bytes; the budget follows from the file's size */
};

/* A zeroed reader of a file of this size. */
void thaw_pth_start(struct thaw_pth *pth, const char *file, size_t file_bytes);
void thaw_pth_close(struct thaw_pth *pth);

/* Reads the pickle of the objects and lists the storages it names. */
thaw_status thaw_pth_unpickle(struct thaw_pth *pth, const unsigned char *bytes, size_t size);
/* The storage of that key, or NULL. */
struct thaw_pth_storage *thaw_pth_find(const struct thaw_pth *pth, struct thaw_pickle_text key);
/* Moves the state dict, whose storages all have data by now, to the zeroed *w. */
thaw_status thaw_pth_finish(struct thaw_pth *pth, struct thaw_weights *w);

/* Memory that the tensors may use after thaw_pth_finish. THAW_DATA once it exceeds the budget. */
thaw_status thaw_pth_alloc(struct thaw_pth *pth, size_t bytes, unsigned char **memory);

#endif
