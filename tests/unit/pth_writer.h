/* Writes .pth files in the stream form, opcode by opcode, so that tests can save what trainers save. */
#ifndef THAW_TESTS_PTH_WRITER_H
#define THAW_TESTS_PTH_WRITER_H

#include "tests/scratch.h"
#include "thaw/weights.h"

#define PTH_MAX_STORAGES 256

struct pth_writer {
	char *bytes;
	size_t size;
	const struct thaw_named_tensor *storages[PTH_MAX_STORAGES]; /* storage i has the key "i" */
	int count;
};

static inline void pth_put(struct pth_writer *f, const void *bytes, size_t size)
{
	f->bytes = realloc(f->bytes, f->size + size);
	memcpy(f->bytes + f->size, bytes, size);
	f->size += size;
}

/* Opcodes as a string literal, which may contain NUL. */
#define PTH(f, opcodes) pth_put(f, opcodes, sizeof(opcodes) - 1)

static inline void pth_text(struct pth_writer *f, const char *text)
{
	uint32_t length = (uint32_t)strlen(text);
	PTH(f, "X");
	pth_put(f, &length, sizeof(length));
	pth_put(f, text, length);
}

static inline void pth_int(struct pth_writer *f, int64_t value)
{
	int32_t number = (int32_t)value;
	PTH(f, "J");
	pth_put(f, &number, sizeof(number));
}

static inline void pth_begin(struct pth_writer *f)
{
	PTH(f, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
	       "\x80\x02M\xe9\x03."
	       "\x80\x02}X\x0d\0\0\0little_endian\x88s."
	       "\x80\x02");
}

/* A contiguous tensor of F32 or I64 with a storage of its own. */
static inline void pth_tensor(struct pth_writer *f, const struct thaw_named_tensor *t)
{
	char key[16];
	assert_true(f->count < PTH_MAX_STORAGES);
	snprintf(key, sizeof(key), "%d", f->count);
	f->storages[f->count++] = t;
	PTH(f, "ctorch._utils\n_rebuild_tensor_v2\n((");
	pth_text(f, "storage");
	if (t->dtype == THAW_I64)
		PTH(f, "ctorch\nLongStorage\n");
	else
		PTH(f, "ctorch\nFloatStorage\n");
	pth_text(f, key);
	pth_text(f, "cpu");
	pth_int(f, thaw_shape_count(&t->shape));
	PTH(f, "NtQK\0(");
	for (int i = 0; i < t->shape.ndim; i++)
		pth_int(f, t->shape.dim[i]);
	PTH(f, "t(");
	for (int i = 0; i < t->shape.ndim; i++) {
		int64_t stride = 1;
		for (int k = i + 1; k < t->shape.ndim; k++)
			stride *= t->shape.dim[k];
		pth_int(f, stride);
	}
	PTH(f, "t\x89"
	       "ccollections\nOrderedDict\n)RtR");
}

/* An OrderedDict of all tensors, with a prefix before their names. */
static inline void pth_state_dict(struct pth_writer *f, const struct thaw_weights *w, const char *prefix)
{
	PTH(f, "ccollections\nOrderedDict\n)R(");
	for (int i = 0; i < w->count; i++) {
		char name[256];
		snprintf(name, sizeof(name), "%s%s", prefix, w->tensors[i].name);
		pth_text(f, name);
		pth_tensor(f, &w->tensors[i]);
	}
	PTH(f, "u");
}

/* Ends the pickle, writes the storages and the file, and frees the writer. */
static inline void pth_end(struct pth_writer *f, const char *path)
{
	PTH(f, ".\x80\x02](");
	for (int i = 0; i < f->count; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%d", i);
		pth_text(f, key);
	}
	PTH(f, "e.");
	for (int i = 0; i < f->count; i++) {
		int64_t count = thaw_shape_count(&f->storages[i]->shape);
		pth_put(f, &count, sizeof(count));
		pth_put(f, f->storages[i]->data, (size_t)count * thaw_dtype_size(f->storages[i]->dtype));
	}
	scratch_put(path, f->bytes, f->size);
	free(f->bytes);
	*f = (struct pth_writer){0};
}

#endif
