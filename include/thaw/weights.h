/* Weight files: named tensors in safetensors files and in PyTorch's .pth files (zip form and older stream form). */
#ifndef THAW_WEIGHTS_H
#define THAW_WEIGHTS_H

#include "thaw/api.h"
#include "thaw/dtype.h"
#include "thaw/file.h"
#include "thaw/pair.h"
#include "thaw/tensor.h"

THAW_BEGIN_DECLS

struct thaw_named_tensor {
	char *name;
	enum thaw_dtype dtype;
	struct thaw_shape shape;
	const void *data; /* contiguous, row-major, possibly unaligned */
};

/* One of the dicts of tensors in a .pth file. */
struct thaw_state_dict {
	char *path; /* the keys that lead to it, with dots; "" for the file itself */
	struct thaw_named_tensor *tensors;
	int count;
	char *module;     /* the class, if it was a pickled module whose parameters were read; else NULL */
	char *unreadable; /* the name and type of a tensor that was skipped, since its type is not supported, or NULL */
};

/* A state dict with its metadata. Entries are in file order. */
struct thaw_weights {
	struct thaw_named_tensor *tensors;
	int count;
	struct thaw_pair *metadata; /* __metadata__ of safetensors; none for .pth */
	int metadata_count;
	/* For .pth: all dicts of tensors in the file, the likely one first. `tensors` are those of the selected one. */
	struct thaw_state_dict *dicts;
	int dict_count, selected;
	char **keys; /* [key_count] keys of the file's dict, as printable text */
	int key_count;
	/* The memory that `data` points into, and how thaw_weights_free releases it; set by the reader. */
	void *storage;
	size_t storage_bytes;
	void (*release)(struct thaw_weights *);
};

/* Reads a weight file; the format is detected from the content (table in src/model/weights.c). Returns THAW_IO if the
 * file cannot be read, THAW_DATA if it is damaged, has no state dict, or needs code to be unpickled. Files are not
 * trusted: all sizes and offsets are checked, and nothing is executed. The caller frees *w with thaw_weights_free. */
thaw_status thaw_weights_read(struct thaw_weights *w, const char *path);
/* Reads from memory; bytes[size] must stay valid until thaw_weights_free. `name` is for messages. */
thaw_status thaw_weights_parse(struct thaw_weights *w, const void *bytes, size_t size, const char *name);
void thaw_weights_free(struct thaw_weights *w); /* zeroed is fine */
/* Makes dict i the one that `tensors` and `count` refer to. */
void thaw_weights_select(struct thaw_weights *w, int i);
/* Hints that tensor i will not be read again. Releases its pages if the set owns them and no other tensor overlaps
 * them. A caller that copies tensors one by one thus never holds two copies of all weights. */
void thaw_weights_release_tensor(const struct thaw_weights *w, int i);

/* The tensor of that name, or NULL. */
const struct thaw_named_tensor *thaw_weights_find(const struct thaw_weights *w, const char *name);
/* The metadata value of that key, or NULL. */
const char *thaw_weights_get(const struct thaw_weights *w, const char *key);

/* Writes a safetensors file to the sink: the header with `__metadata__`, then the data in the order of w->tensors. */
thaw_status thaw_safetensors_write(const struct thaw_weights *w, struct thaw_sink *sink);
/* Writes the header alone, without reading `data`. The caller writes the values of all tensors, in order, after it. */
thaw_status thaw_safetensors_write_header(const struct thaw_weights *w, struct thaw_sink *sink);

#define THAW_SAFETENSORS_START 8 /* bytes at the start of a safetensors file that say how long its header is */
/* *size receives how many bytes of a safetensors file its header takes, the first ones included. bytes: the first
 * THAW_SAFETENSORS_START bytes of the file, or all if it has fewer. content: the size of the file. THAW_DATA if the
 * file is truncated or the header is too large. `name` is for messages, here and below. */
thaw_status thaw_safetensors_header_size(size_t *size, const void *bytes, uint64_t content, const char *name);
/* Reads the header in bytes[size] of a file of `content` bytes: names, types, shapes and metadata; `data` is NULL.
 * THAW_DATA if it is damaged, or its tensors do not take exactly the rest of the file. The caller frees *w with
 * thaw_weights_free. */
thaw_status thaw_safetensors_read_header(struct thaw_weights *w, const void *bytes, size_t size, uint64_t content,
					 const char *name);

THAW_END_DECLS

#endif
