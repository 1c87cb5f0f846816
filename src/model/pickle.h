/* Reading pickles of state dicts. Internal to src/model.
 *
 * A pickle is a program for a stack machine, and Python's runs whatever it names. This one knows the
 * opcodes that torch.save writes, and of classes and functions only a table (pickle_torch.c) of what a
 * state dict is made of; "calling" one of these fills a struct. Anything else is refused by name.
 */
#ifndef THAW_PICKLE_H
#define THAW_PICKLE_H

#include "thaw/tensor.h"

enum thaw_pickle_kind {
	THAW_PICKLE_NONE, /* None, and objects that nobody asks about */
	THAW_PICKLE_BOOL,
	THAW_PICKLE_INT,
	THAW_PICKLE_FLOAT,
	THAW_PICKLE_TEXT,
	THAW_PICKLE_BYTES,
	THAW_PICKLE_TUPLE,
	THAW_PICKLE_LIST,
	THAW_PICKLE_DICT,
	THAW_PICKLE_GLOBAL,
	THAW_PICKLE_STORAGE,
	THAW_PICKLE_TENSOR,
	THAW_PICKLE_MARK, /* only on the machine's stack */
};

/* Not NUL-terminated; points into the pickle. */
struct thaw_pickle_text {
	const char *bytes;
	size_t size;
};

struct thaw_pickle_list {
	const struct thaw_pickle_value **items; /* of a dict: key, value, key, value, ... */
	size_t count, room;
};

/* The memory that tensors are views of. */
struct thaw_pickle_storage {
	struct thaw_pickle_text key; /* its name in the file around the pickle */
	enum thaw_dtype dtype;
	int64_t count; /* elements */
};

/* Checked: every element lies in the storage, and there are no more of them than the storage has. */
struct thaw_pickle_tensor {
	const struct thaw_pickle_storage *storage;
	int64_t offset; /* elements */
	struct thaw_shape shape;
	int64_t stride[THAW_MAX_DIMS]; /* elements */
};

struct thaw_pickle_value {
	enum thaw_pickle_kind kind;
	union {
		int64_t integer; /* also of THAW_PICKLE_BOOL */
		double real;
		struct thaw_pickle_text text;
		struct thaw_pickle_list *list; /* of tuple, list and dict */
		const struct thaw_pickle_global *global;
		const struct thaw_pickle_storage *storage;
		const struct thaw_pickle_tensor *tensor;
	};
};

/* A pickle that was read. Values may be shared and even contain themselves: never walk them freely. */
struct thaw_pickle {
	const char *file; /* for messages */
	const struct thaw_pickle_value *top;
	size_t used; /* bytes of input, STOP included */
	const struct thaw_pickle_storage **storages;
	size_t storage_count, storage_room; /* as named by the pickle, repetitions included */
	struct thaw_pickle_block *blocks;   /* the memory behind all of this */
	size_t allocated;
	thaw_status failed; /* why thaw_pickle_alloc gave NULL */
};

/* Reads the pickle at the start of `bytes`, which must stay until thaw_pickle_free. On failure nothing
 * is left to free. */
thaw_status thaw_pickle_parse(struct thaw_pickle *p, const unsigned char *bytes, size_t size, const char *file);
void thaw_pickle_free(struct thaw_pickle *p); /* zeroed is fine */

bool thaw_pickle_text_is(const struct thaw_pickle_value *v, const char *text);
/* The value of that key, the last one if there are several; NULL if there is none or this is no dict. */
const struct thaw_pickle_value *thaw_pickle_get(const struct thaw_pickle_value *dict, const char *key);

/* For the table of globals. */

/* Zeroed memory that lives as long as the pickle; NULL with p->failed and a message when it is used up. */
void *thaw_pickle_alloc(struct thaw_pickle *p, size_t count, size_t size);
struct thaw_pickle_value *thaw_pickle_new(struct thaw_pickle *p, enum thaw_pickle_kind kind);
/* Makes room for `more` further entries; adds one. */
thaw_status thaw_pickle_reserve(struct thaw_pickle *p, struct thaw_pickle_list *list, size_t more);
thaw_status thaw_pickle_append(struct thaw_pickle *p, struct thaw_pickle_list *list, const struct thaw_pickle_value *v);

/* What a pickle may name. */
struct thaw_pickle_global {
	const char *module, *name;
	/* What calling it with this tuple gives; NULL for a type of storage. */
	thaw_status (*call)(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
			    const struct thaw_pickle_value **result);
	enum thaw_dtype dtype; /* of the storage */
};

/* NULL: not allowed. */
const struct thaw_pickle_global *thaw_pickle_find_global(struct thaw_pickle_text module, struct thaw_pickle_text name);
/* The storage that a persistent id, ('storage', type, key, place, count), stands for. */
thaw_status thaw_pickle_open_storage(struct thaw_pickle *p, const struct thaw_pickle_value *id,
				     const struct thaw_pickle_value **result);

#endif
