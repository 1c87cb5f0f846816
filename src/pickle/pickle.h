/* Reads pickles of data: state dicts of PyTorch, datasets.
 *
 * A pickle is a program for a stack machine, and Python's machine calls any function that a pickle names. This one
 * supports only the opcodes of data, and knows only the classes and functions of a vocabulary that the caller gives;
 * "calling" one of them fills a struct. Objects of all other classes become opaque: their class is recorded, their
 * arguments, attributes and items are kept as values, and nothing is called. Names that have no place in data, such as
 * os.system, are rejected.
 */
#ifndef THAW_SRC_PICKLE_PICKLE_H
#define THAW_SRC_PICKLE_PICKLE_H

#include "thaw/dtype.h"
#include "thaw/tensor.h"

enum thaw_pickle_kind {
	THAW_PICKLE_NONE, /* None, and ignored objects */
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
	THAW_PICKLE_OBJECT, /* opaque: a class or function that is not in the table, or what it would make */
	THAW_PICKLE_MARK,   /* exists only on the machine's stack */
};

/* Not NUL-terminated; points into the pickle. */
struct thaw_pickle_text {
	const char *bytes;
	size_t size;
};

struct thaw_pickle_list {
	const struct thaw_pickle_value **items; /* for a dict: key, value, key, value, ... */
	size_t count, room;
};

/* The memory that one or more tensors are views of. */
struct thaw_pickle_storage {
	struct thaw_pickle_text key; /* its name in the .pth file */
	enum thaw_dtype dtype;
	int64_t count; /* elements */
};

/* Validated: all elements are within the storage, and the tensor has at most as many elements as the storage. */
struct thaw_pickle_tensor {
	const struct thaw_pickle_storage *storage;
	int64_t offset; /* elements */
	struct thaw_shape shape;
	int64_t stride[THAW_MAX_DIMS]; /* elements */
};

struct thaw_pickle_object {
	struct thaw_pickle_text module, name;      /* of the class */
	struct thaw_pickle_list *items;            /* set on it: key, value, ...; NULL if there are none */
	const struct thaw_pickle_list *arguments;  /* that it was made with; NULL: it is a class or function */
	const struct thaw_pickle_value *state;     /* its attributes, a dict, or NULL */
	const struct thaw_pickle_value *raw_state; /* what they were set from, of any kind, or NULL */
	bool tensor;                               /* a tensor of a kind that cannot be read */
};

struct thaw_pickle_value {
	enum thaw_pickle_kind kind;
	union {
		int64_t integer; /* INT and BOOL */
		double real;
		struct thaw_pickle_text text;
		struct thaw_pickle_list *list; /* TUPLE, LIST and DICT */
		const struct thaw_pickle_global *global;
		const struct thaw_pickle_storage *storage;
		const struct thaw_pickle_tensor *tensor;
		struct thaw_pickle_object *object;
	};
};

/* A parsed pickle. Values may be shared and may contain themselves, so they must not be traversed recursively. */
struct thaw_pickle {
	const char *file; /* for messages */
	const struct thaw_pickle_vocabulary *vocabulary;
	const struct thaw_pickle_value *top;
	size_t used;                                 /* bytes of input, including STOP */
	const struct thaw_pickle_storage **storages; /* [storage_count] in the order of the pickle, with repetitions */
	size_t storage_count, storage_room;
	struct thaw_pickle_block *blocks; /* all memory of the pickle */
	size_t allocated;
	thaw_status failed; /* why thaw_pickle_alloc returned NULL */
};

/* A class or function that a pickle may name. */
struct thaw_pickle_global {
	const char *module, *name;
	/* Calls it with a tuple of arguments; NULL for a storage type. */
	thaw_status (*call)(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
			    const struct thaw_pickle_value **result);
	enum thaw_dtype dtype; /* of a storage type */
};

/* What one kind of pickles may name. */
struct thaw_pickle_vocabulary {
	const char *kind;   /* "a state dict", for messages */
	const char *remedy; /* for pickles that name something else, "save only model.state_dict()" */
	const struct thaw_pickle_global *globals;
	size_t global_count;
	/* What a persistent id refers to. NULL: such ids are refused. */
	thaw_status (*open_storage)(struct thaw_pickle *p, const struct thaw_pickle_value *id,
				    const struct thaw_pickle_value **result);
};

/* Parses the pickle at the start of bytes[size], which must stay valid until thaw_pickle_free. On failure there is
 * nothing to free. */
thaw_status thaw_pickle_parse(struct thaw_pickle *p, const struct thaw_pickle_vocabulary *vocabulary,
			      const unsigned char *bytes, size_t size, const char *file);
void thaw_pickle_free(struct thaw_pickle *p); /* zeroed is fine */

bool thaw_pickle_text_is(const struct thaw_pickle_value *v, const char *text);
/* The value of that key, the last one if there are several; NULL if there is none or `dict` is not a dict. */
const struct thaw_pickle_value *thaw_pickle_get(const struct thaw_pickle_value *dict, const char *key);

/* The following functions are for vocabularies. */

/* Zeroed memory that is freed with the pickle. Returns NULL and sets p->failed if memory or the limit is exhausted. */
void *thaw_pickle_alloc(struct thaw_pickle *p, size_t count, size_t size);
struct thaw_pickle_value *thaw_pickle_new(struct thaw_pickle *p, enum thaw_pickle_kind kind);
/* Reserves room for `more` additional entries. */
thaw_status thaw_pickle_reserve(struct thaw_pickle *p, struct thaw_pickle_list *list, size_t more);
/* Appends an entry. */
thaw_status thaw_pickle_append(struct thaw_pickle *p, struct thaw_pickle_list *list, const struct thaw_pickle_value *v);

/* An opaque object of this class. Returns NULL and sets p->failed on failure. */
struct thaw_pickle_value *thaw_pickle_new_object(struct thaw_pickle *p, struct thaw_pickle_text module,
						 struct thaw_pickle_text name);
/* Whether this name has no place in data: it runs code, or reaches the system. */
bool thaw_pickle_runs_code(struct thaw_pickle_text module, struct thaw_pickle_text name);

/* The global of that name in the vocabulary, or NULL. */
const struct thaw_pickle_global *thaw_pickle_find_global(const struct thaw_pickle_vocabulary *vocabulary,
							 struct thaw_pickle_text module, struct thaw_pickle_text name);

#endif
