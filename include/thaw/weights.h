/* Named tensors in files: safetensors, and PyTorch's .pth in both its forms. */
#ifndef THAW_WEIGHTS_H
#define THAW_WEIGHTS_H

#include "thaw/api.h"
#include "thaw/file.h"
#include "thaw/tensor.h"

THAW_BEGIN_DECLS

struct thaw_named_tensor {
	char *name;
	enum thaw_dtype dtype;
	struct thaw_shape shape;
	const void *data; /* dense, row major, any alignment */
};

struct thaw_pair {
	char *key, *value;
};

/* A state dict with its metadata. Entries are in file order. */
struct thaw_weights {
	struct thaw_named_tensor *tensors;
	int count;
	struct thaw_pair *metadata; /* safetensors' __metadata__; none for .pth */
	int metadata_count;
	void *storage; /* memory behind `data`, released by thaw_weights_free */
	size_t storage_bytes;
	void (*release)(struct thaw_weights *); /* how; set by the reader */
};

/* Reads a file whose format is found from its content, one of the table in src/model/weights.c.
 * THAW_IO when it cannot be read, THAW_DATA when it is damaged or not allowed. Nothing in a file is
 * believed before it was checked, and nothing in it is executed. */
thaw_status thaw_weights_read(struct thaw_weights *w, const char *path);
/* The same from memory; the bytes must stay until thaw_weights_free. `name` is for messages. */
thaw_status thaw_weights_parse(struct thaw_weights *w, const void *bytes, size_t size, const char *name);
void thaw_weights_free(struct thaw_weights *w); /* zeroed is fine */
/* The values of tensor i are not read again: gives their memory back, where that is the set's own, no other tensor lies
 * there, and the system can. For sets of which each tensor is copied once, so that no two copies of all are held. */
void thaw_weights_release_tensor(const struct thaw_weights *w, int i);

const struct thaw_named_tensor *thaw_weights_find(const struct thaw_weights *w, const char *name);
/* The metadata value, or NULL. */
const char *thaw_weights_get(const struct thaw_weights *w, const char *key);

/* Writes a safetensors file to the sink: header with sorted data offsets and `__metadata__`, then the data. */
thaw_status thaw_safetensors_write(const struct thaw_weights *w, struct thaw_sink *sink);
/* The header alone: `data` is not looked at. The tensors' values are to follow in their order. */
thaw_status thaw_safetensors_write_header(const struct thaw_weights *w, struct thaw_sink *sink);

THAW_END_DECLS

#endif
