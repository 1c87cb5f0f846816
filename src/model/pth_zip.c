/* PyTorch's .pth since 1.6: a zip archive.
 *
 *     NAME/data.pkl     the pickle of the objects
 *     NAME/byteorder    "little" (since 2.1)
 *     NAME/data/KEY     the storages, stored without compression
 *
 * libarchive reads the archive by its directory and checks the CRCs. What it hands out of a stored entry
 * points into the file's own bytes, so tensors stay where they are; only archives that someone packed
 * again with compression are copied.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "src/model/pth.h"

#define MAX_ENTRIES 65536 /* a large network has some hundreds */
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
	struct entry *entries; /* sorted by name once all are read */
	size_t count, room;
	size_t total; /* bytes of all entries */
	char *folder; /* "NAME/" */
};

static bool matches(const unsigned char *bytes, size_t size)
{
	return size >= 4 && memcmp(bytes, "PK\3\4", 4) == 0;
}

static thaw_status damaged(const struct zip *zip, struct archive *a)
{
	char why[256] = "its entries do not fit together";
	const char *said = archive_error_string(a);
	if (said)
		thaw_text_printable(why, sizeof(why), said, strcspn(said, "\n"));
	return thaw_fail(THAW_DATA, "damaged zip archive: %s: %s: copy it again", zip->pth->file, why);
}

static bool lies_in_file(const struct zip *zip, const unsigned char *block, size_t size)
{
	uintptr_t file = (uintptr_t)zip->bytes, at = (uintptr_t)block;
	return at >= file && at - file <= zip->size && size <= zip->size - (at - file);
}

/* Reads the data of the entry whose header was just read. */
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
		bool in_place = !copy && lies_in_file(zip, block, n) && (uintptr_t)block == (uintptr_t)start + got;
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

/* Another place in zip->entries, zeroed. */
static thaw_status add_entry(struct zip *zip, struct entry **entry)
{
	if (zip->count == MAX_ENTRIES)
		return thaw_fail(THAW_DATA, "refused: %s: more than %d files in one archive", zip->pth->file,
				 MAX_ENTRIES);
	if (zip->count == zip->room) {
		size_t room = zip->room > 0 ? 2 * zip->room : 64;
		struct entry *larger = thaw_alloc(room, sizeof(*larger));
		if (!larger)
			return THAW_RESOURCE;
		if (zip->count > 0)
			memcpy(larger, zip->entries, zip->count * sizeof(*larger));
		thaw_free(zip->entries);
		zip->entries = larger;
		zip->room = room;
	}
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
	/* Entries may overlap in a hostile archive, and a stored byte be read any number of times. */
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

/* Readers disagree about which of two entries of one name counts, so there may be none. */
static thaw_status sort_entries(struct zip *zip)
{
	if (zip->count > 0)
		qsort(zip->entries, zip->count, sizeof(*zip->entries), compare_entries);
	for (size_t i = 1; i < zip->count; i++)
		if (compare_entries(&zip->entries[i - 1], &zip->entries[i]) == 0)
			return thaw_fail(THAW_DATA, "damaged zip archive: %s: two entries of one name", zip->pth->file);
	return THAW_OK;
}

static thaw_status read_entries(struct zip *zip, struct archive *a)
{
	struct archive_entry *header;
	int result = archive_read_support_format_zip_seekable(a);
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
	if (result == ARCHIVE_OK) /* let a fuzzer past the checksums */
		result = archive_read_set_options(a, "zip:ignorecrc32");
#endif
	if (result != ARCHIVE_OK)
		return thaw_fail(THAW_RESOURCE, "libarchive cannot read zip archives: %s", archive_error_string(a));
	if (archive_read_open_memory(a, zip->bytes, zip->size) != ARCHIVE_OK)
		return thaw_fail(THAW_DATA, "truncated file: %s: its end is no zip directory: copy it again",
				 zip->pth->file);
	/* ARCHIVE_WARN: a name in an encoding that the locale does not know. */
	while ((result = archive_read_next_header(a, &header)) == ARCHIVE_OK || result == ARCHIVE_WARN)
		THAW_TRY(read_entry(zip, a, header));
	if (result != ARCHIVE_EOF)
		return zip->count == 0
			       ? thaw_fail(THAW_DATA, "truncated file: %s: its end is no zip directory: copy it again",
					   zip->pth->file)
			       : damaged(zip, a);
	return sort_entries(zip);
}

/* *found = the entry of that name in the archive's folder, NULL if there is none. */
static thaw_status find_entry(const struct zip *zip, const char *name, const struct entry **found)
{
	struct entry wanted = {.name = thaw_format("%s%s", zip->folder, name)};
	if (!wanted.name)
		return THAW_RESOURCE;
	*found = bsearch(&wanted, zip->entries, zip->count, sizeof(wanted), compare_entries);
	thaw_free(wanted.name);
	return THAW_OK;
}

/* Sets zip->folder: "NAME/" of the one NAME/data.pkl. */
static thaw_status find_folder(struct zip *zip)
{
	const struct entry *found = NULL;
	for (size_t i = 0; i < zip->count; i++) {
		const char *slash = strchr(zip->entries[i].name, '/');
		if (!slash || strcmp(slash + 1, PICKLE) != 0)
			continue;
		if (found)
			return thaw_fail(THAW_DATA, "refused: %s: it holds two .pth archives", zip->pth->file);
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
		return thaw_fail(THAW_DATA, "refused: %s: it was not written by a little-endian machine",
				 zip->pth->file);
	return THAW_OK;
}

/* Finds each storage's entry, data/KEY, which must have exactly the size that the pickle says. */
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
			return thaw_fail(THAW_DATA, "damaged file: %s: a storage has %zu bytes, its tensors need %zu",
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
		return thaw_fail(THAW_RESOURCE, "no memory to read a zip archive");
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
	thaw_pth_start(&pth, name, size);
	thaw_status status = read_archive(&zip);
	if (status == THAW_OK)
		status = thaw_pth_finish(&pth, w);
	for (size_t i = 0; i < zip.count; i++)
		thaw_free(zip.entries[i].name);
	thaw_free(zip.entries);
	thaw_free(zip.folder);
	thaw_pth_close(&pth);
	return status;
}

const struct thaw_weights_format thaw_format_pth_zip = {
	.name = "PyTorch, zip form",
	.matches = matches,
	.parse = parse,
};
