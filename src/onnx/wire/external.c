/* External data: tensors in files next to a model.
 *
 * Locations come from an untrusted file. A path is opened one component at a time, each relative to the previous one
 * and without following links, so concurrent changes of the tree cannot lead out of the model's folder.
 *
 * One kind of link is followed: the Hugging Face cache has links snapshots/REVISION/FILE to ../../blobs/DIGEST for the
 * model and for its data. A link at the end of a location may lead to a file beside the model's own file, after its
 * links are resolved, and nowhere else. */
#include "src/onnx/wire/external.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
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
	char *beside; /* path of the folder of the file that the model's path leads to, or NULL */
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
			      "passes through a file, or a symbolic link that does not lead beside the model's own "
			      "file: replace the link by the file itself");
	thaw_text_printable(shown, sizeof(shown), location, strlen(location));
	return thaw_fail(THAW_IO, "cannot open external data: %s: \"%s\": %s", x->model, shown, strerror(reason));
}

/* The folder of the file that the path leads to; NULL if there is none, so that no link is followed. */
static char *folder_of_target(const char *path)
{
	char *real = realpath(path, NULL);
	const char *end = real ? strrchr(real, '/') : NULL;
	char *folder = end ? thaw_format("%.*s", (int)(end + 1 - real), real) : NULL;
	free(real);
	return folder;
}

thaw_status thaw_onnx_external_open(struct thaw_onnx_external **x, const char *model_path)
{
	struct thaw_onnx_external *new = thaw_alloc(1, sizeof(*new));
	if (!new)
		return THAW_RESOURCE;
	const char *slash = strrchr(model_path, '/');
	new->model = thaw_strdup(model_path);
	new->folder = slash ? thaw_format("%.*s", (int)(slash + 1 - model_path), model_path) : thaw_strdup(".");
	new->beside = folder_of_target(model_path);
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
	thaw_free(x->beside);
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

/* Whether both are the same folder. */
static bool same_folder(int a, int b)
{
	struct stat first, second;
	return fstat(a, &first) == 0 && fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
	       first.st_ino == second.st_ino;
}

/* Opens the file beside the model's own file that the link `name` in the folder `at` leads to. On failure returns -1
 * with errno, ELOOP if it leads elsewhere. The final open is relative to that folder and follows no link. */
static int open_link(const struct thaw_onnx_external *x, int at, const char *name)
{
	char target[PATH_MAX];
	ssize_t length = readlinkat(at, name, target, sizeof(target) - 1);
	errno = ELOOP;
	if (length <= 0)
		return -1;
	target[length] = '\0';
	char *slash = strrchr(target, '/');
	const char *file = slash ? slash + 1 : target, *folder = slash ? target : ".";
	if (slash)
		*(slash == target ? slash + 1 : slash) = '\0';
	if (slash == target || !file[0])
		return -1;
	int led = openat(at, folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int beside = x->beside ? open(x->beside, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1, fd = -1, reason = ELOOP;
	if (led >= 0 && beside >= 0 && same_folder(led, beside)) {
		fd = openat(beside, file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW | O_CLOEXEC);
		reason = errno;
	}
	if (led >= 0)
		close(led);
	if (beside >= 0)
		close(beside);
	errno = reason;
	return fd;
}

/* *fd = the file `location` below the folder. */
static thaw_status open_beneath(const struct thaw_onnx_external *x, const char *location, int *fd)
{
	int at = open(x->folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return fail_open(x, location);
	const char *rest = location;
	do {
		const char *part = rest;
		int next = open_part(at, &rest);
		if (next < 0 && errno == ELOOP && !*rest)
			next = open_link(x, at, part);
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
