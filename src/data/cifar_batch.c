/* Reads the pickles of CIFAR's Python version, of Python 2 as its authors wrote them, and as Python 3 writes them
 * again.
 *
 * An array of NumPy is an opaque object of the pickle whose state is (version, shape, dtype, is in Fortran's order,
 * bytes); protocol 5 has a call of _frombuffer(bytes, dtype, shape, order) instead. Nothing of NumPy is called. */
#include "src/data/cifar_batch.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/open_file.h"
#include "src/base/try.h"
#include "src/pickle/pickle.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT  ((size_t)1 << 30) /* bytes */
#define AGAIN       "download it again"
#define CLASSES_MAX 1000
#define NAME_BYTES  255

/* ---- What a batch may name ---- */

/* _codecs.encode(text, "latin1"): how Python 3 writes bytes for protocol 2. */
static thaw_status call_encode(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
			       const struct thaw_pickle_value **result)
{
	if (arguments->count != 2 || arguments->items[0]->kind != THAW_PICKLE_TEXT ||
	    !thaw_pickle_text_is(arguments->items[1], "latin1"))
		return thaw_fail(THAW_DATA, "damaged pickle: %s: bytes that are not text in Latin-1: " AGAIN, p->file);
	const struct thaw_pickle_text text = arguments->items[0]->text;
	struct thaw_pickle_value *v = thaw_pickle_new(p, THAW_PICKLE_BYTES);
	char *bytes = v ? thaw_pickle_alloc(p, text.size + 1, 1) : NULL;
	if (!bytes)
		return p->failed;
	size_t count = 0;
	for (size_t i = 0; i < text.size; i++) {
		unsigned char first = (unsigned char)text.bytes[i];
		if (first >= 0x80) { /* two bytes of UTF-8: U+0080 to U+00FF */
			if ((first & 0xfe) != 0xc2 || i + 1 == text.size || (text.bytes[i + 1] & 0xc0) != 0x80)
				return thaw_fail(THAW_DATA, "damaged pickle: %s: text that is not Latin-1: " AGAIN,
						 p->file);
			first = (unsigned char)(first << 6 | (text.bytes[++i] & 0x3f));
		}
		bytes[count++] = (char)first;
	}
	v->text = (struct thaw_pickle_text){bytes, count};
	*result = v;
	return THAW_OK;
}

static const struct thaw_pickle_global globals[] = {{.module = "_codecs", .name = "encode", .call = call_encode}};

static const struct thaw_pickle_vocabulary vocabulary = {
	.kind = "a CIFAR batch",
	.remedy = AGAIN,
	.globals = globals,
	.global_count = sizeof(globals) / sizeof(*globals),
};

/* ---- Values ---- */

static bool is_string(const struct thaw_pickle_value *v)
{
	return v->kind == THAW_PICKLE_TEXT || v->kind == THAW_PICKLE_BYTES;
}

static bool string_is(const struct thaw_pickle_value *v, const char *text)
{
	return is_string(v) && v->text.size == strlen(text) && memcmp(v->text.bytes, text, v->text.size) == 0;
}

/* The value of that key; NULL if there is none. */
static const struct thaw_pickle_value *find(const struct thaw_pickle_value *dict, const char *key)
{
	for (size_t i = 0; dict->kind == THAW_PICKLE_DICT && i + 1 < dict->list->count; i += 2)
		if (string_is(dict->list->items[i], key))
			return dict->list->items[i + 1];
	return NULL;
}

static bool is_called(const struct thaw_pickle_object *o, const char *name)
{
	return o->name.size == strlen(name) && memcmp(o->name.bytes, name, o->name.size) == 0;
}

/* numpy.dtype("u1", ...) */
static bool is_type_of_bytes(const struct thaw_pickle_value *v)
{
	if (v->kind != THAW_PICKLE_OBJECT || !is_called(v->object, "dtype") || !v->object->arguments ||
	    v->object->arguments->count == 0)
		return false;
	const struct thaw_pickle_value *type = v->object->arguments->items[0];
	return string_is(type, "u1") || string_is(type, "|u1") || string_is(type, "uint8");
}

/* An array of bytes. */
struct array {
	const struct thaw_pickle_value *shape; /* a tuple */
	struct thaw_pickle_text bytes;
	bool fortran; /* the first axis varies fastest */
};

/* _reconstruct(...) with a state. */
static bool read_state(struct array *a, const struct thaw_pickle_value *state)
{
	if (!state || state->kind != THAW_PICKLE_TUPLE || state->list->count != 5)
		return false;
	const struct thaw_pickle_value **part = state->list->items;
	if (part[1]->kind != THAW_PICKLE_TUPLE || !is_type_of_bytes(part[2]) || !is_string(part[4]) ||
	    (part[3]->kind != THAW_PICKLE_BOOL && part[3]->kind != THAW_PICKLE_INT))
		return false;
	*a = (struct array){part[1], part[4]->text, part[3]->integer != 0};
	return true;
}

/* _frombuffer(bytes, dtype, shape, order) */
static bool read_buffer(struct array *a, const struct thaw_pickle_list *arguments)
{
	if (!arguments || arguments->count != 4)
		return false;
	const struct thaw_pickle_value **part = arguments->items;
	if (!is_string(part[0]) || !is_type_of_bytes(part[1]) || part[2]->kind != THAW_PICKLE_TUPLE)
		return false;
	*a = (struct array){part[2], part[0]->text, string_is(part[3], "F")};
	return string_is(part[3], "C") || string_is(part[3], "F");
}

static bool read_array(struct array *a, const struct thaw_pickle_value *v)
{
	if (!v || v->kind != THAW_PICKLE_OBJECT)
		return false;
	if (is_called(v->object, "_reconstruct"))
		return read_state(a, v->object->raw_state);
	return is_called(v->object, "_frombuffer") && read_buffer(a, v->object->arguments);
}

/* *count: images of shape (count, 3072) or (count, 3, 32, 32), all of whose bytes are there. */
static bool count_images(const struct array *a, int64_t *count)
{
	static const int64_t flat[] = {CIFAR_PIXELS}, planes[] = {3, CIFAR_SIDE, CIFAR_SIDE};
	const struct thaw_pickle_list *shape = a->shape->list;
	const int64_t *rest = shape->count == 2 ? flat : planes;
	if (shape->count != 2 && shape->count != 4)
		return false;
	for (size_t i = 0; i < shape->count; i++)
		if (shape->items[i]->kind != THAW_PICKLE_INT || (i > 0 && shape->items[i]->integer != rest[i - 1]))
			return false;
	*count = shape->items[0]->integer;
	return *count >= 0 && (uint64_t)*count == a->bytes.size / CIFAR_PIXELS && a->bytes.size % CIFAR_PIXELS == 0 &&
	       (!a->fortran || shape->count == 2);
}

/* ---- Batches ---- */

static thaw_status copy_labels(struct cifar_batch *b, const struct thaw_pickle_value *labels, const char *key,
			       int classes, const char *path)
{
	if (!labels || labels->kind != THAW_PICKLE_LIST || (uint64_t)b->count != labels->list->count)
		return thaw_fail(THAW_DATA, "no list of %lld labels called \"%s\": %s: " AGAIN, (long long)b->count,
				 key, path);
	if (!(b->labels = thaw_alloc((size_t)b->count, sizeof(*b->labels))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < b->count; i++) {
		const struct thaw_pickle_value *label = labels->list->items[i];
		if (label->kind != THAW_PICKLE_INT || label->integer < 0 || label->integer >= classes)
			return thaw_fail(THAW_DATA,
					 "label %lld is not a number below %d, the number of classes: %s: " AGAIN,
					 (long long)i, classes, path);
		b->labels[i] = (int32_t)label->integer;
	}
	return THAW_OK;
}

/* Notes where the pixels are in the file bytes[size], or copies them if they are not there as they are needed. */
static thaw_status locate_pixels(struct cifar_batch *b, const struct array *a, const char *bytes, size_t size)
{
	if (!a->fortran && a->bytes.bytes >= bytes && a->bytes.bytes + a->bytes.size <= bytes + size) {
		b->offset = a->bytes.bytes - bytes;
		return THAW_OK;
	}
	if (!(b->memory = thaw_alloc(a->bytes.size + 1, 1)))
		return THAW_RESOURCE;
	if (!a->fortran) {
		memcpy(b->memory, a->bytes.bytes, a->bytes.size);
		return THAW_OK;
	}
	for (int64_t i = 0; i < b->count; i++)
		for (int64_t p = 0; p < CIFAR_PIXELS; p++)
			b->memory[i * CIFAR_PIXELS + p] = (uint8_t)a->bytes.bytes[p * b->count + i];
	return THAW_OK;
}

static thaw_status read_batch(struct cifar_batch *b, const struct thaw_pickle *p, const char *bytes, size_t size,
			      const char *key, int classes)
{
	struct array a;
	if (p->top->kind != THAW_PICKLE_DICT)
		return thaw_fail(THAW_DATA, "not a dict: %s: " AGAIN, p->file);
	if (!read_array(&a, find(p->top, "data")) || !count_images(&a, &b->count))
		return thaw_fail(THAW_DATA, "\"data\" is not an array of bytes of shape (images, 3072): %s: " AGAIN,
				 p->file);
	THAW_TRY(copy_labels(b, find(p->top, key), key, classes, p->file));
	return locate_pixels(b, &a, bytes, size);
}

thaw_status thaw_cifar_batch_open(struct cifar_batch *b, const char *path, const char *key, int classes)
{
	struct stat st;
	struct thaw_pickle p = {0};
	void *bytes = NULL;
	size_t size;
	*b = (struct cifar_batch){.fd = -1};
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	thaw_status status = thaw_pickle_parse(&p, &vocabulary, bytes, size, path);
	if (status == THAW_OK)
		status = read_batch(b, &p, bytes, size, key, classes);
	if (status == THAW_OK && !b->memory)
		status = thaw_open_file(&b->fd, &st, path);
	thaw_pickle_free(&p);
	thaw_free(bytes);
	return status;
}

void thaw_cifar_batch_close(struct cifar_batch *b)
{
	if (b->fd >= 0)
		close(b->fd);
	thaw_free(b->memory);
	thaw_free(b->labels);
	*b = (struct cifar_batch){.fd = -1};
}

thaw_status thaw_cifar_batch_read(const struct cifar_batch *b, int64_t i, uint8_t pixels[CIFAR_PIXELS],
				  const char *name)
{
	if (b->memory) {
		memcpy(pixels, b->memory + i * CIFAR_PIXELS, CIFAR_PIXELS);
		return THAW_OK;
	}
	for (size_t got = 0; got < CIFAR_PIXELS;) {
		ssize_t n = pread(b->fd, pixels + got, CIFAR_PIXELS - got, b->offset + i * CIFAR_PIXELS + (int64_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return thaw_fail(THAW_IO, "cannot read: %s: %s", name, strerror(errno));
		if (n == 0)
			return thaw_fail(THAW_DATA, "truncated file: %s: " AGAIN, name);
		got += (size_t)n;
	}
	return THAW_OK;
}

/* ---- Class names ---- */

static thaw_status copy_names(struct names *names, const struct thaw_pickle *p, const char *key)
{
	const struct thaw_pickle_value *list = find(p->top, key);
	if (!list || list->kind != THAW_PICKLE_LIST || list->list->count == 0 || list->list->count > CLASSES_MAX)
		return thaw_fail(THAW_DATA, "no list of class names called \"%s\": %s: " AGAIN, key, p->file);
	for (size_t i = 0; i < list->list->count; i++) {
		const struct thaw_pickle_value *v = list->list->items[i];
		if (!is_string(v) || v->text.size == 0 || v->text.size > NAME_BYTES ||
		    memchr(v->text.bytes, '\0', v->text.size))
			return thaw_fail(THAW_DATA, "class name %zu is not a text: %s: " AGAIN, i, p->file);
		THAW_TRY(thaw_names_add(names, thaw_format("%.*s", (int)v->text.size, v->text.bytes)));
	}
	return THAW_OK;
}

thaw_status thaw_cifar_names_read(struct names *names, const char *path, const char *key)
{
	struct thaw_pickle p = {0};
	void *bytes = NULL;
	size_t size;
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	thaw_status status = thaw_pickle_parse(&p, &vocabulary, bytes, size, path);
	if (status == THAW_OK)
		status = copy_names(names, &p, key);
	thaw_pickle_free(&p);
	thaw_free(bytes);
	return status;
}
