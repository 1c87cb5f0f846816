/* Weight files: the table of formats, and the functions on sets of named tensors that do not depend on the format.
 *
 * Files are read into memory instead of mapped: if another job truncates a mapped file, the reader is killed by SIGBUS,
 * and checks of a mapping are void if the file changes afterwards.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/model/weights_format.h"
#include "thaw/memory.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "weight files are little-endian and are read without conversion");

#define MAX_FILE ((size_t)16 << 30) /* bytes; far above any image network */

/* The first format that matches is used. */
static const struct thaw_weights_format *const formats[] = {
	&thaw_format_safetensors,
	&thaw_format_pth_zip,
	&thaw_format_pth_stream,
};

/* Files that people take for weight files, by their first bytes. */
static const struct {
	const char *bytes;
	size_t size;
	const char *advice;
} others[] = {
#define BYTES(text) text, sizeof(text) - 1
	{BYTES("version https://git-lfs"), "it is a Git LFS pointer: fetch the file itself with git lfs pull"},
	{BYTES("<"), "it is a web page: download the file itself"},
	{BYTES("\x80"), "it is a Python pickle but not from torch.save: save model.state_dict() with torch.save"},
	{BYTES("\x89HDF"), "it is an HDF5 file, as Keras writes: export the network to ONNX with tf2onnx"},
	{BYTES("\x1f\x8b"), "it is compressed with gzip: unpack it"},
	{BYTES("{"), "it is a JSON file: give the weights, or the folder that has them"},
	{BYTES("\x08"), "if it is an ONNX model, let its name end with .onnx"},
#undef BYTES
};

/* Fails with a message that says what the file probably is instead of a weight file. */
static thaw_status fail_unknown(const unsigned char *bytes, size_t size, const char *name)
{
	const char *advice = "supported are safetensors, PyTorch's .pth, and .onnx";
	if (size == 0)
		advice = "it is empty: copy it again";
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (size >= others[i].size && memcmp(bytes, others[i].bytes, others[i].size) == 0)
			advice = others[i].advice;
	return thaw_fail(THAW_DATA, "not a weight file: %s: %s", name, advice);
}

static thaw_status check_dicts(const struct thaw_weights *w, const char *file)
{
	if (w->dict_count == 0)
		return thaw_weights_check_names(w->tensors, w->count, file);
	for (int i = 0; i < w->dict_count; i++)
		THAW_TRY(thaw_weights_check_names(w->dicts[i].tensors, w->dicts[i].count, file));
	return THAW_OK;
}

thaw_status thaw_weights_parse(struct thaw_weights *w, const void *bytes, size_t size, const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		if (!formats[i]->matches(bytes, size))
			continue;
		struct thaw_weights parsed = {0};
		thaw_status status = formats[i]->parse(&parsed, bytes, size, name);
		if (status == THAW_OK)
			status = check_dicts(&parsed, name);
		if (status == THAW_OK)
			*w = parsed;
		else
			thaw_weights_free(&parsed);
		return status;
	}
	return fail_unknown(bytes, size, name);
}

thaw_status thaw_safetensors_read_header(struct thaw_weights *w, const void *bytes, size_t size, uint64_t content,
					 const char *name)
{
	struct thaw_weights found = {0};
	thaw_status status = thaw_safetensors_parse_header(&found, bytes, size, content, name);
	if (status == THAW_OK)
		status = check_dicts(&found, name);
	if (status == THAW_OK)
		*w = found;
	else
		thaw_weights_free(&found);
	return status;
}

/* The storage of a set read from a file: the bytes of the file, and the storage made by the parser. */
struct file_storage {
	void *bytes;
	size_t size;
	void *parsed;
	void (*release_parsed)(struct thaw_weights *);
};

static void release_file(struct thaw_weights *w)
{
	struct file_storage *file = w->storage;
	if (file->release_parsed) {
		w->storage = file->parsed;
		file->release_parsed(w);
	}
	thaw_free(file->bytes);
	thaw_free(file);
}

thaw_status thaw_weights_read(struct thaw_weights *w, const char *path)
{
	struct thaw_weights parsed = {0};
	void *bytes = NULL;
	size_t size = 0;
	THAW_TRY(thaw_file_read(&bytes, &size, path, MAX_FILE));
	struct file_storage *file = thaw_alloc(1, sizeof(*file));
	thaw_status status = file ? thaw_weights_parse(&parsed, bytes, size, path) : THAW_RESOURCE;
	if (status != THAW_OK) {
		thaw_free(file);
		thaw_free(bytes);
		return status;
	}
	*file = (struct file_storage){bytes, size, parsed.storage, parsed.release};
	parsed.storage = file;
	parsed.storage_bytes += size;
	parsed.release = release_file;
	*w = parsed;
	return THAW_OK;
}

static void free_tensors(struct thaw_named_tensor *tensors, int count)
{
	for (int i = 0; i < count; i++)
		thaw_free(tensors[i].name);
	thaw_free(tensors);
}

static void free_dicts(struct thaw_weights *w)
{
	for (int i = 0; i < w->dict_count; i++) {
		free_tensors(w->dicts[i].tensors, w->dicts[i].count);
		thaw_free(w->dicts[i].path);
		thaw_free(w->dicts[i].module);
		thaw_free(w->dicts[i].unreadable);
	}
	thaw_free(w->dicts);
	for (int i = 0; i < w->key_count; i++)
		thaw_free(w->keys[i]);
	thaw_free(w->keys);
}

void thaw_weights_free(struct thaw_weights *w)
{
	if (w->dict_count == 0) /* else they are those of a dict */
		free_tensors(w->tensors, w->count);
	free_dicts(w);
	for (int i = 0; i < w->metadata_count; i++) {
		thaw_free(w->metadata[i].key);
		thaw_free(w->metadata[i].value);
	}
	thaw_free(w->metadata);
	if (w->release)
		w->release(w);
	*w = (struct thaw_weights){0};
}

static size_t bytes_of(const struct thaw_named_tensor *t)
{
	return (size_t)thaw_shape_count(&t->shape) * thaw_dtype_size(t->dtype);
}

static bool overlap(const struct thaw_named_tensor *a, const struct thaw_named_tensor *b)
{
	const uintptr_t from = (uintptr_t)a->data, other = (uintptr_t)b->data;
	return from < other + bytes_of(b) && other < from + bytes_of(a);
}

/* Releases only whole pages. MADV_DONTNEED is defined only for private anonymous mappings; the file buffer is one,
 * since it comes from malloc. */
void thaw_weights_release_tensor(const struct thaw_weights *w, int i)
{
	const struct thaw_named_tensor *t = &w->tensors[i];
	if (w->release != release_file)
		return;
	const struct file_storage *file = w->storage;
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), base = (uintptr_t)file->bytes;
	uintptr_t from = (uintptr_t)t->data, to = from + bytes_of(t);
	if (from < base || to > base + file->size)
		return;
	for (int k = 0; k < w->count; k++)
		if (k != i && overlap(t, &w->tensors[k]))
			return;
	from = (from + page - 1) / page * page;
	to = to / page * page;
	if (from < to)
		madvise((void *)from, to - from, MADV_DONTNEED);
}

const struct thaw_named_tensor *thaw_weights_find(const struct thaw_weights *w, const char *name)
{
	for (int i = 0; i < w->count; i++)
		if (strcmp(w->tensors[i].name, name) == 0)
			return &w->tensors[i];
	return NULL;
}

const char *thaw_weights_get(const struct thaw_weights *w, const char *key)
{
	for (int i = 0; i < w->metadata_count; i++)
		if (strcmp(w->metadata[i].key, key) == 0)
			return w->metadata[i].value;
	return NULL;
}
