/* Reads an .onnx file: checks the bytes, then unpacks the messages. */
#include "src/onnx/wire/file.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "src/base/open_file.h"
#include "src/base/try.h"
#include "src/onnx/wire/scan.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define MAX_FILE ((size_t)INT32_MAX) /* protobuf's limit; larger models use external data */

/* Memory limit for unpacking. Valid data grows at most from one byte to eight (small numbers in int64_data). Messages
 * grow more, but are few: some MiB for the largest known networks. */
#define MAX_GROWTH     8
#define MESSAGES_BYTES ((size_t)64 << 20)
#define BLOCK_COST     16 /* approximate overhead of malloc per block, bytes */

/* Bytes left to allocate; never credited back. */
struct budget {
	size_t left;
	bool exceeded;
};

static void *allocate(void *context, size_t size)
{
	struct budget *b = context;
	if (size > b->left || b->left - size < BLOCK_COST) {
		b->exceeded = true;
		return NULL;
	}
	b->left -= size + BLOCK_COST;
	return malloc(size ? size : 1); /* not thaw_alloc: blocks are small and need not be zeroed */
}

static void release(void *context, void *block)
{
	(void)context;
	free(block);
}

static thaw_status unpack(struct thaw_onnx_file *f, const uint8_t *bytes, size_t size)
{
	struct budget budget = {.left = MAX_GROWTH * size + MESSAGES_BYTES};
	f->allocator = (ProtobufCAllocator){allocate, release, &budget};
	f->model = onnx__model_proto__unpack(&f->allocator, size, bytes);
	f->allocator.allocator_data = NULL; /* release() does not use it */
	if (!f->model && budget.exceeded)
		return thaw_fail(THAW_DATA,
				 "ONNX model needs too much memory: %s: its %zu bytes unpack to more than %zu", f->path,
				 size, MAX_GROWTH * size + MESSAGES_BYTES);
	if (!f->model)
		return thaw_fail(THAW_DATA, "not an ONNX model, or a damaged one: %s: export or copy it again",
				 f->path);
	if (!f->model->graph)
		return thaw_fail(THAW_DATA, "not an ONNX model: %s: it has no graph: export it again", f->path);
	return THAW_OK;
}

thaw_status thaw_onnx_file_parse(struct thaw_onnx_file **f, const void *bytes, size_t size, const char *path)
{
	if (size > MAX_FILE)
		return thaw_fail(THAW_DATA, "ONNX model too large: %s: %zu bytes, at most %zu: %s", path, size,
				 MAX_FILE, "export it with external data");
	THAW_TRY(thaw_onnx_scan(&onnx__model_proto__descriptor, bytes, size, path));
	struct thaw_onnx_file *new = thaw_alloc(1, sizeof(*new));
	if (!new)
		return THAW_RESOURCE;
	thaw_status status = THAW_RESOURCE;
	new->path = thaw_strdup(path);
	if (new->path)
		status = unpack(new, bytes, size);
	if (status == THAW_OK)
		*f = new;
	else
		thaw_onnx_file_close(new);
	return status;
}

/* Fails if the bytes are those of something that is often saved under the name of a model. */
static thaw_status refuse_other_file(const char *bytes, size_t size, const char *path)
{
	static const struct {
		const char *start, *what;
	} others[] = {
		{"version https://git-lfs", "it is a Git LFS pointer: fetch the file itself with git lfs pull"},
		{"<", "it is a web page: download the file itself"},
		{"PK", "it is a zip archive: unpack it, or give it its own name if it is a .pth file"},
	};
	if (size == 0)
		return thaw_fail(THAW_DATA, "not an ONNX model: %s: it is empty: copy it again", path);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		size_t length = strlen(others[i].start);
		if (size >= length && memcmp(bytes, others[i].start, length) == 0)
			return thaw_fail(THAW_DATA, "not an ONNX model: %s: %s", path, others[i].what);
	}
	return THAW_OK;
}

bool thaw_onnx_file_probe(const char *path)
{
	enum { IR_VERSION_KEY = 1 << 3, MAX_IR_VERSION = 127, BYTES = 9 };
	unsigned char start[BYTES] = {0};
	int fd;
	struct stat st;
	if (thaw_open_file(&fd, &st, path) != THAW_OK)
		return false;
	/* A pipe can be read once only, by the reader of weights. */
	ssize_t size = S_ISREG(st.st_mode) ? read(fd, start, sizeof(start)) : 0;
	close(fd);
	/* Models begin with their ir_version; byte 8 of a safetensors file is an opening brace. */
	return size == BYTES && start[0] == IR_VERSION_KEY && start[1] > 0 && start[1] <= MAX_IR_VERSION &&
	       start[2] > IR_VERSION_KEY && start[BYTES - 1] != '{';
}

thaw_status thaw_onnx_file_open(struct thaw_onnx_file **f, const char *path)
{
	void *bytes;
	size_t size;
	struct thaw_onnx_file *new = NULL;
	THAW_TRY(thaw_file_read(&bytes, &size, path, MAX_FILE));
	thaw_status status = refuse_other_file(bytes, size, path);
	if (status == THAW_OK)
		status = thaw_onnx_file_parse(&new, bytes, size, path);
	thaw_free(bytes);
	if (status == THAW_OK)
		status = thaw_onnx_external_open(&new->external, path);
	if (status == THAW_OK)
		*f = new;
	else
		thaw_onnx_file_close(new);
	return status;
}

void thaw_onnx_file_close(struct thaw_onnx_file *f)
{
	if (!f)
		return;
	thaw_onnx_external_close(f->external);
	if (f->model)
		onnx__model_proto__free_unpacked(f->model, &f->allocator);
	thaw_free(f->path);
	thaw_free(f);
}
