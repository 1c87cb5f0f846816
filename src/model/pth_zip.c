/* The zip form of .pth files, written by torch.save since PyTorch 1.6.
 *
 *     NAME/data.pkl     the pickle of the objects
 *     NAME/byteorder    "little" (since 2.1)
 *     NAME/data/KEY     the storages, stored without compression
 *
 * libarchive reads the archive by its central directory and checks the CRCs. For stored entries its blocks point into
 * the file's bytes, so tensors are used in place; only archives that were compressed afterwards are copied. Nothing is
 * extracted to disk.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/pth.h"
#include "thaw/memory.h"

#define MAX_ENTRIES 65536 /* a large network has a few hundred */
#define MAX_KEY     32    /* bytes; keys are small numbers */
#define PICKLE      "data.pkl"

struct entry {
	char *name;
	const unsigned char *bytes;
	size_t size;
};

struct zip {
	struct thaw_pth *pth;
	const unsigned char *bytes; /* of the file */
	size_t size;
	struct entry *entries; /* [count] sorted by name after all are read */
	size_t count;
	size_t total; /* bytes of all entries */
	char *folder; /* "NAME/" */
};

static bool matches(const unsigned char *bytes, size_t size)
{
	return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static thaw_status damaged(const struct zip *zip, struct archive *a)
{
	char why[256] = "its entries are inconsistent";
	const char *error = archive_error_string(a);
	if (error)
		thaw_text_printable(why, sizeof(why), error, strcspn(error, "\n"));
	return thaw_fail(THAW_DATA, "damaged zip archive: %s: %s: copy it again", zip->pth->file, why);
}

static bool is_in_file(const struct zip *zip, const unsigned char *block, size_t size)
{
	uintptr_t file = (uintptr_t)zip->bytes, at = (uintptr_t)block;
	return at >= file && at - file <= zip->size && size <= zip->size - (at - file);
}

/* Reads the data of the entry whose header was read last: in place if its blocks are contiguous in the file, else into
 * a copy. */
static thaw_status read_data(struct zip *zip, struct archive *a, struct entry *entry)
{
	unsigned char *copy = NULL;
	const unsigned char *start = zip->bytes;
	size_t got = 0;
	for (;;) {
		const void *block;
		size_t n;
		la_int64_t offset;
		int result = archive_read_data_block(a, &block, &n, &offset);
		if (result == ARCHIVE_EOF)
			break;
		if (result != ARCHIVE_OK || offset < 0 || (size_t)offset != got || n > entry->size - got)
			return damaged(zip, a);
		if (n == 0)
			continue;
		if (got == 0)
			start = block;
		bool in_place = !copy && is_in_file(zip, block, n) && (uintptr_t)block == (uintptr_t)start + got;
		if (!in_place && !copy) {
			THAW_TRY(thaw_pth_alloc(zip->pth, entry->size, &copy));
			memcpy(copy, start, got);
		}
		if (copy)
			memcpy(copy + got, block, n);
		got += n;
	}
	entry->bytes = copy ? copy : start;
	return got == entry->size ? THAW_OK : damaged(zip, a);
}

/* Appends a zeroed entry to zip->entries. */
static thaw_status add_entry(struct zip *zip, struct entry **entry)
{
	if (zip->count == MAX_ENTRIES)
		return thaw_fail(THAW_DATA, "refused: %s: more than %d files in the archive", zip->pth->file,
				 MAX_ENTRIES);
	struct entry *entries = thaw_grow(zip->entries, (int)zip->count, sizeof(*entries));
	if (!entries)
		return THAW_RESOURCE;
	zip->entries = entries;
	*entry = &zip->entries[zip->count++];
	return THAW_OK;
}

static thaw_status read_entry(struct zip *zip, struct archive *a, struct archive_entry *header)
{
	const char *name = archive_entry_pathname_utf8(header);
	if (!name)
		name = archive_entry_pathname(header);
	la_int64_t size = archive_entry_size(header);
	if (!name || !archive_entry_size_is_set(header) || size < 0)
		return damaged(zip, a);
	/* In a hostile archive entries may overlap, so that a stored byte is read any number of times. */
	if ((uint64_t)size > zip->pth->budget - zip->total)
		return thaw_fail(THAW_DATA, "refused: %s: it unpacks to many times its size", zip->pth->file);
	zip->total += (size_t)size;
	struct entry *entry = NULL;
	THAW_TRY(add_entry(zip, &entry));
	entry->size = (size_t)size;
	entry->name = thaw_strdup(name);
	return entry->name ? read_data(zip, a, entry) : THAW_RESOURCE;
}

static int compare_entries(const void *left, const void *right)
{
	const struct entry *a = left, *b = right;
	return strcmp(a->name, b->name);
}

/* Sorts the entries. Readers disagree on which of two entries of the same name is used, so that is an error. */
static thaw_status sort_entries(struct zip *zip)
{
	if (zip->count > 0)
		qsort(zip->entries, zip->count, sizeof(*zip->entries), compare_entries);
	for (size_t i = 1; i < zip->count; i++)
		if (compare_entries(&zip->entries[i - 1], &zip->entries[i]) == 0)
			return thaw_fail(THAW_DATA, "damaged zip archive: %s: two entries have the same name",
					 zip->pth->file);
	return THAW_OK;
}

static thaw_status read_entries(struct zip *zip, struct archive *a)
{
	struct archive_entry *header;
	int result = archive_read_support_format_zip_seekable(a);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	if (result == ARCHIVE_OK) /* otherwise fuzzing would stop at the checksums */
		result = archive_read_set_options(a, "zip:ignorecrc32");
#endif
	if (result != ARCHIVE_OK)
		return thaw_fail(THAW_RESOURCE, "libarchive cannot read zip archives: %s", archive_error_string(a));
	if (archive_read_open_memory(a, zip->bytes, zip->size) != ARCHIVE_OK)
		return thaw_fail(THAW_DATA, "truncated zip archive: %s: it has no central directory: copy it again",
				 zip->pth->file);
	/* ARCHIVE_WARN: a name that cannot be converted to the locale's encoding. */
	while ((result = archive_read_next_header(a, &header)) == ARCHIVE_OK || result == ARCHIVE_WARN)
		THAW_TRY(read_entry(zip, a, header));
	if (result != ARCHIVE_EOF)
		return zip->count == 0
			       ? thaw_fail(THAW_DATA,
					   "truncated zip archive: %s: it has no central directory: copy it again",
					   zip->pth->file)
			       : damaged(zip, a);
	return sort_entries(zip);
}

/* *found = the entry zip->folder + name, or NULL. */
static thaw_status find_entry(const struct zip *zip, const char *name, const struct entry **found)
{
	struct entry wanted = {.name = thaw_format("%s%s", zip->folder, name)};
	if (!wanted.name)
		return THAW_RESOURCE;
	*found = bsearch(&wanted, zip->entries, zip->count, sizeof(wanted), compare_entries);
	thaw_free(wanted.name);
	return THAW_OK;
}

/* Sets zip->folder to "NAME/" of the only NAME/data.pkl. */
static thaw_status find_folder(struct zip *zip)
{
	const struct entry *found = NULL;
	for (size_t i = 0; i < zip->count; i++) {
		const char *slash = strchr(zip->entries[i].name, '/');
		if (!slash || strcmp(slash + 1, PICKLE) != 0)
			continue;
		if (found)
			return thaw_fail(THAW_DATA, "refused: %s: it contains two .pth archives", zip->pth->file);
		found = &zip->entries[i];
	}
	if (!found)
		return thaw_fail(THAW_DATA,
				 "not a weight file: %s: a zip archive without a %s: save the model with torch.save",
				 zip->pth->file, PICKLE);
	zip->folder = thaw_strdup(found->name);
	if (!zip->folder)
		return THAW_RESOURCE;
	zip->folder[strlen(zip->folder) - strlen(PICKLE)] = '\0';
	return THAW_OK;
}

static thaw_status check_archive(const struct zip *zip)
{
	const struct entry *order, *script;
	THAW_TRY(find_entry(zip, "byteorder", &order));
	THAW_TRY(find_entry(zip, "constants.pkl", &script));
	if (script)
		return thaw_fail(THAW_DATA, "refused: %s: a TorchScript program: save model.state_dict() instead",
				 zip->pth->file);
	if (order && (order->size != strlen("little") || memcmp(order->bytes, "little", order->size) != 0))
		return thaw_fail(THAW_DATA, "refused: %s: it was written on a big-endian machine", zip->pth->file);
	return THAW_OK;
}

/* Finds the entry data/KEY of each storage, which must have exactly the size given in the pickle. */
static thaw_status find_storages(const struct zip *zip)
{
	struct thaw_pth *pth = zip->pth;
	for (size_t i = 0; i < pth->storage_count; i++) {
		struct thaw_pth_storage *storage = &pth->storages[i];
		const struct entry *found = NULL;
		char name[MAX_KEY + sizeof("data/")];
		if (storage->key.size <= MAX_KEY) {
			snprintf(name, sizeof(name), "data/%.*s", (int)storage->key.size, storage->key.bytes);
			THAW_TRY(find_entry(zip, name, &found));
		}
		if (found && found->size != storage->bytes)
			return thaw_fail(THAW_DATA,
					 "damaged file: %s: a storage has %zu bytes but its tensors need %zu",
					 pth->file, found->size, storage->bytes);
		if (found)
			storage->data = found->bytes;
	}
	return THAW_OK;
}

static thaw_status read_archive(struct zip *zip)
{
	struct archive *a = archive_read_new();
	if (!a)
		return thaw_fail(THAW_RESOURCE, "out of memory: reader of zip archives");
	thaw_status status = read_entries(zip, a);
	archive_read_free(a);
	THAW_TRY(status);
	THAW_TRY(find_folder(zip));
	THAW_TRY(check_archive(zip));
	const struct entry *pickle;
	THAW_TRY(find_entry(zip, PICKLE, &pickle));
	THAW_TRY(thaw_pth_unpickle(zip->pth, pickle->bytes, pickle->size));
	return find_storages(zip);
}

static thaw_status parse(struct thaw_weights *w, const unsigned char *bytes, size_t size, const char *name)
{
	struct thaw_pth pth;
	struct zip zip = {.pth = &pth, .bytes = bytes, .size = size};
	thaw_pth_init(&pth, name, size);
	thaw_status status = read_archive(&zip);
	if (status == THAW_OK)
		status = thaw_pth_finish(&pth, w);
	for (size_t i = 0; i < zip.count; i++)
		thaw_free(zip.entries[i].name);
	thaw_free(zip.entries);
	thaw_free(zip.folder);
	thaw_pth_free(&pth);
	return status;
}

const struct thaw_weights_format thaw_format_pth_zip = {
	.name = "PyTorch, zip form",
	.matches = matches,
	.parse = parse,
};
