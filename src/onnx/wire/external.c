/* External data: tensors in files next to a model.
 *
 * Locations come from an untrusted file. A path is opened one component at a time, each relative to the previous one
 * and without following links, so concurrent changes of the tree cannot lead out of the model's folder. */
#include "src/onnx/wire/external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define SHOWN 200 /* bytes of a location in a message */

struct mapping {
	char *location;
	void *bytes; /* NULL for an empty file */
	size_t size;
};

struct thaw_onnx_external {
	char *model;  /* path, for messages */
	char *folder; /* path */
	struct mapping *mappings;
	int count, capacity;
};

static thaw_status refuse(const struct thaw_onnx_external *x, const char *location, const char *why)
{
	char shown[SHOWN];
	thaw_text_printable(shown, sizeof(shown), location, strlen(location));
	return thaw_fail(THAW_DATA, "external data refused: %s: \"%s\" %s", x->model, shown, why);
}

static thaw_status fail_open(const struct thaw_onnx_external *x, const char *location)
{
	int reason = errno;
	char shown[SHOWN];
	if (reason == ELOOP || reason == ENOTDIR)
		return refuse(x, location,
			      "passes through a symbolic link or a file: replace the link by the file itself");
	thaw_text_printable(shown, sizeof(shown), location, strlen(location));
	return thaw_fail(THAW_IO, "cannot open external data: %s: \"%s\": %s", x->model, shown, strerror(reason));
}

thaw_status thaw_onnx_external_open(struct thaw_onnx_external **x, const char *model_path)
{
	struct thaw_onnx_external *new = thaw_alloc(1, sizeof(*new));
	if (!new)
		return THAW_RESOURCE;
	const char *slash = strrchr(model_path, '/');
	new->model = thaw_strdup(model_path);
	new->folder = slash ? thaw_format("%.*s", (int)(slash + 1 - model_path), model_path) : thaw_strdup(".");
	if (!new->model || !new->folder) {
		thaw_onnx_external_close(new);
		return THAW_RESOURCE;
	}
	*x = new;
	return THAW_OK;
}

void thaw_onnx_external_close(struct thaw_onnx_external *x)
{
	if (!x)
		return;
	for (int i = 0; i < x->count; i++) {
		if (x->mappings[i].bytes)
			munmap(x->mappings[i].bytes, x->mappings[i].size);
		thaw_free(x->mappings[i].location);
	}
	thaw_free(x->mappings);
	thaw_free(x->model);
	thaw_free(x->folder);
	thaw_free(x);
}

/* Opens the first component of *rest relative to `folder` and advances *rest past it. On failure returns -1 with errno,
 * EXDEV if the component would leave the folder. */
static int open_part(int folder, const char **rest)
{
	char part[NAME_MAX + 1];
	const char *slash = strchr(*rest, '/');
	size_t length = slash ? (size_t)(slash - *rest) : strlen(*rest);
	if (length > NAME_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(part, *rest, length);
	part[length] = '\0';
	*rest = slash ? slash + 1 : *rest + length;
	if (length == 0 || strcmp(part, "..") == 0) {
		errno = EXDEV;
		return -1;
	}
	/* O_NONBLOCK: opening a FIFO without a writer must not block. */
	int flags = slash ? O_PATH | O_DIRECTORY : O_RDONLY | O_NONBLOCK | O_NOCTTY;
	return openat(folder, part, flags | O_NOFOLLOW | O_CLOEXEC);
}

/* *fd = the file `location` below the folder. */
static thaw_status open_beneath(const struct thaw_onnx_external *x, const char *location, int *fd)
{
	int at = open(x->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail_open(x, location);
	const char *rest = location;
	do {
		int next = open_part(at, &rest);
		int reason = errno;
		close(at);
		errno = reason;
		if (next < 0 && reason == EXDEV)
			return refuse(x, location, "leaves the model's folder: move the file into it");
		if (next < 0)
			return fail_open(x, location);
		at = next;
	} while (*rest);
	*fd = at;
	return THAW_OK;
}

static thaw_status map_file(const struct thaw_onnx_external *x, struct mapping *m, int fd)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return fail_open(x, m->location);
	if (!S_ISREG(st.st_mode))
		return refuse(x, m->location, "is not a regular file");
	m->size = (size_t)st.st_size;
	if (m->size == 0)
		return THAW_OK;
	void *bytes = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (bytes == MAP_FAILED)
		return fail_open(x, m->location);
	m->bytes = bytes;
	return THAW_OK;
}

/* Ensures capacity for one more mapping. */
static thaw_status grow(struct thaw_onnx_external *x)
{
	if (x->count < x->capacity)
		return THAW_OK;
	int capacity = x->capacity ? 2 * x->capacity : 4;
	struct mapping *larger = thaw_alloc((size_t)capacity, sizeof(*larger));
	if (!larger)
		return THAW_RESOURCE;
	if (x->count > 0)
		memcpy(larger, x->mappings, (size_t)x->count * sizeof(*larger));
	thaw_free(x->mappings);
	x->mappings = larger;
	x->capacity = capacity;
	return THAW_OK;
}

static thaw_status add_mapping(struct thaw_onnx_external *x, const char *location)
{
	THAW_TRY(grow(x));
	struct mapping m = {.location = thaw_strdup(location)};
	int fd = -1;
	thaw_status status = m.location ? open_beneath(x, location, &fd) : THAW_RESOURCE;
	if (status == THAW_OK) {
		status = map_file(x, &m, fd);
		close(fd);
	}
	if (status == THAW_OK)
		x->mappings[x->count++] = m;
	else
		thaw_free(m.location);
	return status;
}

thaw_status thaw_onnx_external_map(struct thaw_onnx_external *x, const char *location, uint64_t offset, uint64_t length,
				   const void **data)
{
	int i = 0;
	while (i < x->count && strcmp(x->mappings[i].location, location) != 0)
		i++;
	if (i == x->count)
		THAW_TRY(add_mapping(x, location));
	const struct mapping *m = &x->mappings[i];
	if (offset > m->size || length > m->size - offset)
		return refuse(x, location, "ends before the tensor does: copy it again");
	*data = m->bytes ? (const char *)m->bytes + offset : "";
	return THAW_OK;
}
