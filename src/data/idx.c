/* IDX files, the format of MNIST: a magic number, sizes, then uncompressed greyscale bytes; often gzipped.
 *
 * gzip does not support random access, so the pixels of a split are held in memory. */
#include "src/data/dataset.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/found.h"
#include "src/data/idx_files.h"
#include "src/data/image.h"
#include "src/data/names.h"
#include "thaw/file.h"
#include "thaw/memory.h"

enum {
	MAGIC_IMAGES = 0x00000803, /* unsigned bytes, three dimensions */
	MAGIC_LABELS = 0x00000801, /* unsigned bytes, one dimension */
	MAX_SIDE = 4096,
	READ_BLOCK = 1 << 20 /* bytes per call */
};

/* The largest compression ratio of deflate: bounds the allocation for a header that claims more than the file can hold.
 */
#define DEFLATE_MAX_RATIO 1032

struct idx {
	char *name; /* of the file of images */
	int width, height;
	uint8_t *pixels;    /* (all samples of the file, height, width) */
	int64_t *positions; /* [count] position in `pixels` of each sample */
};

static thaw_status read_bytes(gzFile f, void *to, size_t size, const char *path)
{
	uint8_t *at = to;
	while (size > 0) {
		int n = gzread(f, at, (unsigned)min_size(size, READ_BLOCK));
		int error;
		if (n < 0)
			return thaw_fail(THAW_DATA, "damaged file (%s): %s: download it again", gzerror(f, &error),
					 path);
		if (n == 0)
			return thaw_fail(THAW_DATA, "truncated file: %s: download it again", path);
		at += n;
		size -= (size_t)n;
	}
	return THAW_OK;
}

/* Checks that no data follows and that gzip's checksum, which zlib may not have read yet, is present and correct. */
static thaw_status expect_end(gzFile f, const char *path)
{
	uint8_t byte;
	int error, n = gzread(f, &byte, 1);
	const char *why = gzerror(f, &error); /* also set, with n == 0, for a truncated gzip file */
	if (n > 0)
		return thaw_fail(THAW_DATA, "more bytes than its header says: %s: download it again", path);
	if (error != Z_OK)
		return thaw_fail(THAW_DATA, "damaged file (%s): %s: download it again", why, path);
	return THAW_OK;
}

/* Reads the header: a magic number, then `ndim` big-endian sizes. */
static thaw_status read_sizes(gzFile f, uint32_t magic, int ndim, int64_t *sizes, const char *path)
{
	uint8_t header[4 * 4];
	THAW_TRY(read_bytes(f, header, 4 * ((size_t)ndim + 1), path));
	for (int i = 0; i <= ndim; i++) {
		const uint8_t *p = header + 4 * i;
		uint32_t v = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		if (i == 0 && v != magic)
			return thaw_fail(THAW_DATA, "not an IDX file of %s: %s: download it again",
					 ndim == 1 ? "labels" : "greyscale images", path);
		if (i > 0)
			sizes[i - 1] = v;
	}
	return THAW_OK;
}

/* Reads an IDX file of `ndim` dimensions: sizes[ndim], and the data in *bytes, which the caller frees. */
static thaw_status read_idx(uint8_t **bytes, int64_t *sizes, uint32_t magic, int ndim, const char *path)
{
	struct stat s;
	int fd;
	uint8_t *data = NULL;
	THAW_TRY(thaw_open_file(&fd, &s, path));
	gzFile f = gzdopen(fd, "rb");
	if (!f) {
		close(fd);
		return thaw_fail(THAW_RESOURCE, "out of memory: a decompressor for %s", path);
	}
	thaw_status status = read_sizes(f, magic, ndim, sizes, path);
	int64_t count = sizes[0], each = 1;
	if (status == THAW_OK && ndim == 3) {
		if (sizes[1] < 1 || sizes[1] > MAX_SIDE || sizes[2] < 1 || sizes[2] > MAX_SIDE)
			status =
				thaw_fail(THAW_DATA, "images of %lld x %lld pixels: %s: sides of 1 to %d are supported",
					  (long long)sizes[2], (long long)sizes[1], path, MAX_SIDE);
		else
			each = sizes[1] * sizes[2];
	}
	if (status == THAW_OK && count > (int64_t)s.st_size * DEFLATE_MAX_RATIO / each)
		status = thaw_fail(THAW_DATA, "header claims more than the file can hold: %s: download it again", path);
	if (status == THAW_OK && !(data = thaw_alloc((size_t)count, (size_t)each)))
		status = THAW_RESOURCE;
	if (status == THAW_OK)
		status = read_bytes(f, data, (size_t)(count * each), path);
	if (status == THAW_OK)
		status = expect_end(f, path);
	gzclose(f);
	if (status == THAW_OK)
		*bytes = data;
	else
		thaw_free(data);
	return status;
}

static thaw_status read_names(struct thaw_dataset *d, const char *path, int highest)
{
	THAW_TRY(thaw_dataset_read_names(d, path));
	if (d->classes > highest)
		return THAW_OK;
	return thaw_fail(THAW_DATA, "%d names but a label %d: %s: name every class, one per line", d->classes, highest,
			 path);
}

static thaw_status number_classes(struct thaw_dataset *d, int highest)
{
	if (!(d->class_names = thaw_alloc((size_t)highest + 1, sizeof(char *))))
		return THAW_RESOURCE;
	d->classes = highest + 1;
	for (int c = 0; c <= highest; c++)
		if (!(d->class_names[c] = thaw_format("%d", c)))
			return THAW_RESOURCE;
	return THAW_OK;
}

/* Class names from labels.txt, else from EMNIST's mapping.txt, both beside the file of images, else the numbers. */
static thaw_status name_classes(struct thaw_dataset *d, const char *images_path, int highest)
{
	thaw_status status = THAW_RESOURCE;
	const char *images = thaw_base_name(images_path);
	char *folder = thaw_format("%.*s", (int)(images - images_path - 1), images_path);
	if (!folder)
		return THAW_RESOURCE;
	char *names = thaw_path_join(folder, "labels.txt"), *mapping = thaw_idx_mapping_path(folder, images);
	if (names && mapping)
		status = thaw_path_is_file(names)     ? read_names(d, names, highest)
			 : thaw_path_is_file(mapping) ? thaw_idx_read_mapping(d, mapping, highest)
						      : number_classes(d, highest);
	thaw_free(folder);
	thaw_free(names);
	thaw_free(mapping);
	return status;
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct idx *idx = d->context;
	struct thaw_image image;
	THAW_TRY(thaw_image_allocate(&image, idx->width, idx->height, "IDX image"));
	int64_t pixels = (int64_t)idx->width * idx->height;
	const uint8_t *from = idx->pixels + idx->positions[i] * pixels;
	for (int64_t p = 0; p < pixels; p++)
		memset(image.pixels + 3 * p, from[p], 3);
	*encoded = thaw_encoded_image_from_pixels(image);
	encoded->fingerprint = thaw_fingerprint_of(from, (size_t)pixels, 0);
	return THAW_OK;
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	const struct idx *idx = d->context;
	size_t pixels = (size_t)idx->width * (size_t)idx->height;
	(void)whole;
	*f = thaw_fingerprint_of(idx->pixels + (size_t)idx->positions[i] * pixels, pixels, 0);
	return THAW_OK;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct idx *idx = d->context;
	snprintf(text, size, "%s[%lld]", idx->name, (long long)idx->positions[i]);
}

static void close_idx(struct thaw_dataset *d)
{
	struct idx *idx = d->context;
	thaw_free(idx->name);
	thaw_free(idx->pixels);
	thaw_free(idx->positions);
	thaw_free(idx);
}

/* Reads both files of a split. The caller frees *labels, also on failure. */
static thaw_status read_split(struct idx *idx, uint8_t **labels, int64_t *count, const char *images_path,
			      const char *labels_path)
{
	int64_t sizes[3] = {0}, label_count[1] = {0};
	THAW_TRY(read_idx(&idx->pixels, sizes, MAGIC_IMAGES, 3, images_path));
	THAW_TRY(read_idx(labels, label_count, MAGIC_LABELS, 1, labels_path));
	if (sizes[0] != label_count[0])
		return thaw_fail(THAW_DATA, "%lld images but %lld labels: %s: download both files again",
				 (long long)sizes[0], (long long)label_count[0], images_path);
	idx->height = (int)sizes[1];
	idx->width = (int)sizes[2];
	*count = sizes[0];
	return THAW_OK;
}

/* Finds the highest label of both splits, so that both have the same number of classes. */
static thaw_status highest_label(int *highest, const char *folder)
{
	*highest = 0;
	for (int s = 0; s < 2; s++) {
		uint8_t *labels = NULL;
		int64_t count[1] = {0};
		struct idx_paths paths = {0};
		thaw_status status = thaw_idx_find(&paths, folder, (enum thaw_split)s);
		if (status == THAW_OK && paths.labels)
			status = read_idx(&labels, count, MAGIC_LABELS, 1, paths.labels);
		thaw_idx_paths_free(&paths);
		if (status != THAW_OK)
			return status;
		for (int64_t i = 0; labels && i < count[0]; i++)
			*highest = max_int(*highest, labels[i]);
		thaw_free(labels);
	}
	return THAW_OK;
}

/* What a person would not expect of the set. */
static thaw_status note_oddities(const struct thaw_dataset *d, const struct idx *idx, const int32_t *labels,
				 int64_t count)
{
	int unused = 0;
	bool *used = thaw_alloc((size_t)d->classes, sizeof(bool));
	if (!used)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < count; i++)
		used[labels[i]] = true;
	for (int c = 0; c < d->classes; c++)
		unused += !used[c];
	thaw_free(used);
	if (unused > 0)
		THAW_TRY(thaw_found_note(
			d->found, thaw_format("%s: no images of %d of the %d classes", idx->name, unused, d->classes)));
	if (strncmp(idx->name, "emnist-", 7) == 0)
		return thaw_found_note(d->found, thaw_strdup("EMNIST stores rows as columns; its images are used as "
							     "they are stored"));
	return THAW_OK;
}

/* Reads the files and chooses the samples. */
static thaw_status read_samples(struct thaw_dataset *d, struct idx *idx, const char *folder,
				const struct idx_paths *paths, enum thaw_split split,
				const struct thaw_dataset_options *options)
{
	thaw_status status;
	uint8_t *bytes = NULL;
	int32_t *labels = NULL;
	int64_t count = 0, selected_count;
	int highest;
	THAW_TRY_OUT(read_split(idx, &bytes, &count, paths->images, paths->labels));
	THAW_TRY_OUT(highest_label(&highest, folder));
	THAW_TRY_OUT(name_classes(d, paths->images, highest));
	if (!(labels = thaw_alloc((size_t)count, sizeof(int32_t)))) {
		status = THAW_RESOURCE;
		goto out;
	}
	for (int64_t i = 0; i < count; i++)
		labels[i] = bytes[i];
	THAW_TRY_OUT(thaw_limit_per_class(&idx->positions, &selected_count, d, labels, count, split, options));
	THAW_TRY_OUT(thaw_dataset_set_labels(d, labels, idx->positions, selected_count));
	d->found->images = count;
	status = note_oddities(d, idx, labels, count);
out:
	thaw_free(bytes);
	thaw_free(labels);
	return status;
}

static thaw_status open_idx(struct thaw_dataset *d, const char *folder, enum thaw_split split,
			    const struct thaw_dataset_options *options)
{
	struct idx_paths paths = {0};
	struct idx *idx = thaw_alloc(1, sizeof(*idx));
	if (!idx)
		return THAW_RESOURCE;
	*d = (struct thaw_dataset){.read = read_sample,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_idx,
				   .context = idx,
				   .found = thaw_found_create()};
	thaw_status status = d->found ? thaw_idx_find(&paths, folder, split) : THAW_RESOURCE;
	if (status == THAW_OK && (!paths.images || !paths.labels))
		status = thaw_idx_fail_missing(&paths, folder, split);
	if (status == THAW_OK) {
		idx->name = thaw_idx_sample_name(paths.images, split);
		d->found->from = thaw_strdup(thaw_base_name(paths.images));
		d->found->split = split;
		status = idx->name && d->found->from ? THAW_OK : THAW_RESOURCE;
	}
	if (status == THAW_OK)
		status = read_samples(d, idx, folder, &paths, split, options);
	thaw_idx_paths_free(&paths);
	return status;
}

const struct dataset_format thaw_dataset_idx = {.recognises = thaw_idx_is_there, .open = open_idx};
