/* The stream form of .pth files, which torch.save wrote until PyTorch 1.5: pickles, then the storages.
 *
 *     pickle of a magic number, pickle of the protocol version 1001, pickle of the system (byte order),
 *     pickle of the objects, pickle of the list of storage keys,
 *     for each key: the number of elements as int64, the elements
 */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/pth.h"

#define PROTOCOL_VERSION 1001
#define MAGIC_WITHIN     32 /* bytes; at most the header of a frame precedes the magic number */

/* The opcode LONG1 with the ten bytes of 0x1950a86a20f9469cfc6c, and STOP. */
static const unsigned char magic[] = {0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, '.'};

/* The offset after the first pickle; 0 if it is not the magic number. */
static size_t end_of_magic(const unsigned char *bytes, size_t size)
{
	if (size == 0 || bytes[0] != 0x80)
		return 0;
	const unsigned char *found = memmem(bytes, min_size(size, MAGIC_WITHIN), magic, sizeof(magic));
	return found ? (size_t)(found - bytes) + sizeof(magic) : 0;
}

static bool matches(const unsigned char *bytes, size_t size)
{
	return end_of_magic(bytes, size) > 0;
}

static thaw_status check_version(const unsigned char *bytes, size_t size, size_t *at, const char *file)
{
	struct thaw_pickle p = {0};
	THAW_TRY(thaw_pickle_parse(&p, &thaw_pickle_torch, bytes + *at, size - *at, file));
	*at += p.used;
	bool known = p.top->kind == THAW_PICKLE_INT && p.top->integer == PROTOCOL_VERSION;
	thaw_pickle_free(&p);
	return known ? THAW_OK
		     : thaw_fail(THAW_DATA,
				 "unknown version of .pth: %s: save it again with a current version of torch", file);
}

static thaw_status check_system(const unsigned char *bytes, size_t size, size_t *at, const char *file)
{
	struct thaw_pickle p = {0};
	THAW_TRY(thaw_pickle_parse(&p, &thaw_pickle_torch, bytes + *at, size - *at, file));
	*at += p.used;
	const struct thaw_pickle_value *little = thaw_pickle_get(p.top, "little_endian");
	bool is_little = little && little->kind == THAW_PICKLE_BOOL && little->integer;
	thaw_pickle_free(&p);
	return is_little ? THAW_OK : thaw_fail(THAW_DATA, "refused: %s: it was written on a big-endian machine", file);
}

static thaw_status truncated(const char *file)
{
	return thaw_fail(THAW_DATA, "truncated tensors: %s: copy the file again", file);
}

/* Reads one storage at offset *at, and moves *at after it. */
static thaw_status read_storage(struct thaw_pth *pth, const struct thaw_pickle_value *key, const unsigned char *bytes,
				size_t size, size_t *at)
{
	struct thaw_pth_storage *storage = key->kind == THAW_PICKLE_TEXT ? thaw_pth_find(pth, key->text) : NULL;
	if (!storage || storage->data)
		return thaw_fail(THAW_DATA, "damaged file: %s: a storage is not named by the pickle, or is repeated",
				 pth->file);
	int64_t count;
	if (size - *at < sizeof(count))
		return truncated(pth->file);
	memcpy(&count, bytes + *at, sizeof(count));
	*at += sizeof(count);
	if (count != storage->count)
		return thaw_fail(THAW_DATA, "damaged file: %s: the size of a storage does not match its tensors",
				 pth->file);
	if (size - *at < storage->bytes)
		return truncated(pth->file);
	storage->data = bytes + *at;
	*at += storage->bytes;
	return THAW_OK;
}

static thaw_status read_storages(struct thaw_pth *pth, const struct thaw_pickle_value *keys, const unsigned char *bytes,
				 size_t size, size_t *at)
{
	if (keys->kind != THAW_PICKLE_LIST)
		return thaw_fail(THAW_DATA, "damaged file: %s: the list of storages is missing", pth->file);
	for (size_t i = 0; i < keys->list->count; i++)
		THAW_TRY(read_storage(pth, keys->list->items[i], bytes, size, at));
	if (*at != size)
		return thaw_fail(THAW_DATA, "damaged file: %s: %zu bytes after its end", pth->file, size - *at);
	return THAW_OK;
}

static thaw_status parse(struct thaw_weights *w, const unsigned char *bytes, size_t size, const char *name)
{
	struct thaw_pth pth;
	struct thaw_pickle keys = {0};
	size_t at = end_of_magic(bytes, size);
	thaw_pth_init(&pth, name, size);
	thaw_status status;
	THAW_TRY_OUT(check_version(bytes, size, &at, name));
	THAW_TRY_OUT(check_system(bytes, size, &at, name));
	THAW_TRY_OUT(thaw_pth_unpickle(&pth, bytes + at, size - at));
	at += pth.pickle.used;
	THAW_TRY_OUT(thaw_pickle_parse(&keys, &thaw_pickle_torch, bytes + at, size - at, name));
	at += keys.used;
	THAW_TRY_OUT(read_storages(&pth, keys.top, bytes, size, &at));
	status = thaw_pth_finish(&pth, w);
out:
	thaw_pickle_free(&keys);
	thaw_pth_free(&pth);
	return status;
}

const struct thaw_weights_format thaw_format_pth_stream = {
	.name = "PyTorch, stream form",
	.matches = matches,
	.parse = parse,
};
