/* The binary version of CIFAR-10 and CIFAR-100: records of label bytes and 32 x 32 pixels, plane by plane.
 *
 * All records have the same length, so images are read from the open files on demand and all ranks of a node share one
 * copy in the page cache. */
#include "src/data/dataset.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/minmax.h"
#include "src/base/open_file.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/cifar_image.h"
#include "src/data/found.h"
#include "thaw/memory.h"

enum {
	MAX_FILES = 5,
	MAX_RECORD = CIFAR_PIXELS + 2,
	BLOCK_RECORDS = 256 /* per read while collecting the labels */
};

/* CIFAR-10 or CIFAR-100. */
struct variant {
	const char *files[2][MAX_FILES + 1]; /* by split, NULL-terminated */
	const char *names;                   /* the file of class names */
	int label_offset, label_bytes;       /* of a record: offset of the label; label bytes before the pixels */
};

static const struct variant variants[] = {
	{
		.files = {[THAW_SPLIT_TRAIN] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
						"data_batch_4.bin", "data_batch_5.bin"},
			  [THAW_SPLIT_TEST] = {"test_batch.bin"}},
		.names = "batches.meta.txt",
		.label_offset = 0,
		.label_bytes = 1,
	},
	{
		.files = {[THAW_SPLIT_TRAIN] = {"train.bin"}, [THAW_SPLIT_TEST] = {"test.bin"}},
		.names = "fine_label_names.txt",
		.label_offset = 1, /* after the coarse label */
		.label_bytes = 2,
	},
};

struct cifar {
	const struct variant *variant;
	enum thaw_split split;
	int files;
	int fd[MAX_FILES];
	int64_t first[MAX_FILES + 1]; /* index of the first record of each file, then the total */
	int64_t *records;             /* [count] record of each sample */
};

/* *variant: the one whose file of class names is in the folder, or NULL. */
static thaw_status find_variant(const struct variant **variant, const char *folder)
{
	*variant = NULL;
	for (size_t v = 0; v < sizeof(variants) / sizeof(variants[0]) && !*variant; v++) {
		char *path = thaw_path_join(folder, variants[v].names);
		if (!path)
			return THAW_RESOURCE;
		if (thaw_path_is_file(path))
			*variant = &variants[v];
		thaw_free(path);
	}
	return THAW_OK;
}

static thaw_status recognises_cifar(bool *is, const char *folder)
{
	const struct variant *variant;
	THAW_TRY(find_variant(&variant, folder));
	*is = variant != NULL;
	return THAW_OK;
}

static size_t record_size(const struct cifar *c)
{
	return (size_t)c->variant->label_bytes + CIFAR_PIXELS;
}

/* Reads exactly `size` bytes; fails if the file was truncated after it was opened. */
static thaw_status read_at(int fd, uint8_t *to, size_t size, int64_t offset, const char *name)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return thaw_fail(THAW_IO, "cannot read: %s: %s", name, strerror(errno));
		if (n == 0)
			return thaw_fail(THAW_DATA, "truncated file: %s: download it again", name);
		to += n;
		size -= (size_t)n;
		offset += n;
	}
	return THAW_OK;
}

/* Opens the next file of the split and counts its records. */
static thaw_status add_file(struct cifar *c, const char *path)
{
	struct stat s;
	int fd;
	THAW_TRY(thaw_open_file(&fd, &s, path));
	c->fd[c->files++] = fd;
	if (s.st_size == 0 || (size_t)s.st_size % record_size(c) != 0)
		return thaw_fail(THAW_DATA,
				 "size is not a multiple of the record size (%zu bytes): %s: download it again",
				 record_size(c), path);
	c->first[c->files] = c->first[c->files - 1] + (int64_t)((size_t)s.st_size / record_size(c));
	return THAW_OK;
}

static thaw_status open_files(struct cifar *c, const char *folder)
{
	for (const char *const *file = c->variant->files[c->split]; *file; file++) {
		char *path = thaw_path_join(folder, *file);
		thaw_status status = path ? add_file(c, path) : THAW_RESOURCE;
		thaw_free(path);
		if (status != THAW_OK)
			return status;
	}
	return THAW_OK;
}

/* Reads labels[] of all records. `block` is scratch memory for BLOCK_RECORDS records. */
static thaw_status read_labels(const struct cifar *c, int32_t *labels, int classes, uint8_t *block)
{
	size_t record = record_size(c);
	for (int f = 0; f < c->files; f++) {
		const char *name = c->variant->files[c->split][f];
		int64_t records = c->first[f + 1] - c->first[f];
		for (int64_t i = 0; i < records; i += BLOCK_RECORDS) {
			int64_t n = min_int64(records - i, BLOCK_RECORDS);
			THAW_TRY(read_at(c->fd[f], block, (size_t)n * record, i * (int64_t)record, name));
			for (int64_t k = 0; k < n; k++) {
				int label = block[(size_t)k * record + (size_t)c->variant->label_offset];
				if (label >= classes)
					return thaw_fail(THAW_DATA,
							 "label %d but %d class names: %s: download it again", label,
							 classes, name);
				labels[c->first[f] + i + k] = label;
			}
		}
	}
	return THAW_OK;
}

static void name_sample(const struct thaw_dataset *d, int64_t i, char *text, size_t size)
{
	const struct cifar *c = d->context;
	int64_t within;
	int f = thaw_cifar_file_of(c->first, c->records[i], &within);
	snprintf(text, size, "%s[%lld]", c->variant->files[c->split][f], (long long)within);
}

/* Reads the record of sample i, labels and pixels. */
static thaw_status read_record(const struct thaw_dataset *d, int64_t i, uint8_t record[MAX_RECORD])
{
	const struct cifar *c = d->context;
	char name[64];
	int64_t within;
	int f = thaw_cifar_file_of(c->first, c->records[i], &within);
	name_sample(d, i, name, sizeof(name));
	return read_at(c->fd[f], record, record_size(c), within * (int64_t)record_size(c), name);
}

static thaw_status fingerprint_sample(const struct thaw_dataset *d, int64_t i, bool whole, struct thaw_fingerprint *f)
{
	uint8_t record[MAX_RECORD];
	(void)whole;
	THAW_TRY(read_record(d, i, record));
	*f = thaw_fingerprint_of(record, record_size(d->context), 0);
	return THAW_OK;
}

static thaw_status read_sample(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct cifar *c = d->context;
	uint8_t record[MAX_RECORD];
	THAW_TRY(read_record(d, i, record));
	THAW_TRY(thaw_cifar_image(encoded, record + c->variant->label_bytes));
	encoded->fingerprint = thaw_fingerprint_of(record, record_size(c), 0);
	return THAW_OK;
}

static void close_cifar(struct thaw_dataset *d)
{
	struct cifar *c = d->context;
	for (int f = 0; f < c->files; f++)
		close(c->fd[f]);
	thaw_free(c->records);
	thaw_free(c);
}

static thaw_status select_samples(struct thaw_dataset *d, struct cifar *c, const struct thaw_dataset_options *options)
{
	int64_t count = c->first[c->files], selected_count;
	int32_t *labels = thaw_alloc((size_t)count, sizeof(int32_t));
	uint8_t *block = thaw_alloc(BLOCK_RECORDS, record_size(c));
	thaw_status status = labels && block ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = read_labels(c, labels, d->classes, block);
	if (status == THAW_OK)
		status = thaw_limit_per_class(&c->records, &selected_count, d, labels, count, c->split, options);
	if (status == THAW_OK)
		status = thaw_dataset_set_labels(d, labels, c->records, selected_count);
	thaw_free(labels);
	thaw_free(block);
	return status;
}

static thaw_status open_cifar(struct thaw_dataset *d, const char *folder, enum thaw_split split,
			      const struct thaw_dataset_options *options)
{
	struct cifar *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	c->split = split;
	*d = (struct thaw_dataset){.read = read_sample,
				   .fingerprint = fingerprint_sample,
				   .name = name_sample,
				   .close = close_cifar,
				   .context = c,
				   .found = thaw_found_create()};
	if (!d->found)
		return THAW_RESOURCE;
	THAW_TRY(find_variant(&c->variant, folder));
	if (!c->variant)
		return thaw_fail(THAW_IO,
				 "file of class names disappeared: %s: do not change the dataset while it is opened",
				 folder);
	char *names = thaw_path_join(folder, c->variant->names);
	thaw_status status = names ? thaw_dataset_read_names(d, names) : THAW_RESOURCE;
	thaw_free(names);
	THAW_TRY(status);
	THAW_TRY(open_files(c, folder));
	d->found->split = split;
	d->found->images = c->first[c->files];
	d->found->from = split == THAW_SPLIT_TRAIN && c->files > 1
				 ? thaw_format("%s and %d more", c->variant->files[split][0], c->files - 1)
				 : thaw_strdup(c->variant->files[split][0]);
	return d->found->from ? select_samples(d, c, options) : THAW_RESOURCE;
}

const struct dataset_format thaw_dataset_cifar = {.recognises = recognises_cifar, .open = open_cifar};
