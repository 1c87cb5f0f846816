/* Images of a manifest that are files. */
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/image_file.h"
#include "src/data/manifest_paths.h"
#include "src/data/manifest_place.h"
#include "src/data/tar_list.h"
#include "thaw/memory.h"

struct folder {
	struct manifest_place place;
	char *root; /* relative paths begin here; "" for the working directory */
	struct manifest_files files;
};

/* The path of the file of image i; NULL without memory. */
static char *file_of(const struct manifest_place *p, int64_t i, const char *path)
{
	const struct folder *f = (const struct folder *)p;
	size_t other = f->files.offset ? f->files.offset[i] : 0;
	path = other > 0 ? f->files.text.text + other - 1 : path;
	return path[0] == '/' || f->root[0] == '\0' ? thaw_strdup(path) : thaw_path_join(f->root, path);
}

static thaw_status read_image(const struct manifest_place *p, int64_t i, const char *path,
			      struct thaw_encoded_image *encoded)
{
	char *file = file_of(p, i, path);
	thaw_status status = file ? thaw_image_file_read(encoded, file, path) : THAW_RESOURCE;
	thaw_free(file);
	return status;
}

static thaw_status read_bytes(const struct manifest_place *p, int64_t i, const char *path, void **bytes, size_t *size)
{
	char *file = file_of(p, i, path);
	thaw_status status = file ? thaw_image_file_bytes(bytes, size, file) : THAW_RESOURCE;
	thaw_free(file);
	return status;
}

static thaw_status fingerprint_image(const struct manifest_place *p, int64_t i, const char *path, bool whole,
				     struct thaw_fingerprint *f)
{
	char *file = file_of(p, i, path);
	thaw_status status = file ? thaw_fingerprint_file(f, file, whole) : THAW_RESOURCE;
	thaw_free(file);
	return status;
}

static thaw_status reduce_folder(struct manifest_place *p, const int64_t *images, int64_t count)
{
	struct folder *f = (struct folder *)p;
	struct manifest_files kept = {0};
	if (!f->files.offset)
		return THAW_OK;
	kept.offset = thaw_alloc((size_t)count, sizeof(*kept.offset));
	thaw_status status = kept.offset ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; status == THAW_OK && i < count; i++) {
		size_t from = f->files.offset[images[i]], to = 0;
		if (from == 0)
			continue;
		const char *text = f->files.text.text + from - 1;
		status = thaw_arena_add(&kept.text, text, strlen(text), &to);
		kept.offset[i] = to + 1;
	}
	thaw_manifest_files_free(status == THAW_OK ? &f->files : &kept);
	if (status == THAW_OK)
		f->files = kept;
	return status;
}

static void destroy_folder(struct manifest_place *p)
{
	struct folder *f = (struct folder *)p;
	thaw_manifest_files_free(&f->files);
	thaw_free(f->root);
	thaw_free(f);
}

static thaw_status end_search(const struct manifest_search *s, struct thaw_found *found, const char *root)
{
	const char *folder = root[0] ? root : ".";
	bool none = true;
	for (int64_t i = 0; i < s->count; i++)
		none &= !s->found[i];
	return thaw_manifest_search_end(s, found, folder,
					none && thaw_tar_has_compressed(folder)
						? "decompress the tar files there if it is in one of them"
						: "give --data the folder that the paths begin in");
}

thaw_status thaw_manifest_folder_open(struct manifest_place **place, struct thaw_found *found, const char *root,
				      struct manifest_search *s)
{
	struct folder *f = thaw_alloc(1, sizeof(*f));
	if (!f)
		return THAW_RESOURCE;
	f->place = (struct manifest_place){.read = read_image,
					   .read_file = read_bytes,
					   .fingerprint = fingerprint_image,
					   .reduce = reduce_folder,
					   .destroy = destroy_folder};
	*place = &f->place;
	if (!(f->root = thaw_strdup(root)))
		return THAW_RESOURCE;
	THAW_TRY(thaw_manifest_paths_find(&f->files, found, root, s));
	return end_search(s, found, root);
}
