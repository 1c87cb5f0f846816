/* See shards.h. The index, as transformers and timm write it: {"weight_map": {TENSOR: FILE, ...}, ...} */
#include "src/model/shards.h"

#include <jansson.h>
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/model/weights_format.h"
#include "thaw/memory.h"

#define ENDING    ".index.json"
#define MAX_INDEX ((size_t)16 << 20) /* bytes */
#define MAX_FILES 1024
#define MAX_PAIRS 10000   /* entries of metadata */
#define OWN_KEYS  "thaw." /* start of the metadata that Thaw reads */
#define MAX_NAME  255     /* bytes, of a file */

struct shards {
	const char *path;           /* of the index */
	json_t *files;              /* the name of each file: its number */
	struct thaw_weights *parts; /* [json_object_size(files)] */
	size_t count;
};

bool thaw_weights_is_index(const char *path)
{
	size_t n = strlen(path), e = strlen(ENDING);
	return n > e && strcmp(path + n - e, ENDING) == 0;
}

/* The index is not trusted: a file name must not lead out of its folder. */
static bool is_plain_name(const char *name)
{
	return name && *name && *name != '.' && strlen(name) <= MAX_NAME && !strchr(name, '/');
}

static thaw_status list_files(struct shards *s, json_t *map)
{
	const char *tensor;
	json_t *file;
	json_object_foreach(map, tensor, file)
	{
		const char *name = json_string_value(file);
		if (!is_plain_name(name))
			return thaw_fail(
				THAW_DATA,
				"refused: %s: its weight_map has a value that is not the name of a file in its "
				"folder",
				s->path);
		if (json_object_get(s->files, name))
			continue;
		size_t number = json_object_size(s->files);
		if (number == MAX_FILES || json_object_set_new(s->files, name, json_integer((json_int_t)number)) != 0)
			return thaw_fail(THAW_DATA, "refused: %s: it names more than %d files", s->path, MAX_FILES);
	}
	return THAW_OK;
}

static thaw_status read_files(struct shards *s)
{
	const char *slash = strrchr(s->path, '/'), *name;
	json_t *number;
	s->parts = thaw_alloc(json_object_size(s->files) + 1, sizeof(*s->parts));
	if (!s->parts)
		return THAW_RESOURCE;
	json_object_foreach(s->files, name, number)
	{
		char *path = thaw_format("%.*s%s", slash ? (int)(slash - s->path + 1) : 0, s->path, name);
		thaw_status status = path ? thaw_weights_read(&s->parts[s->count], path) : THAW_RESOURCE;
		thaw_free(path);
		THAW_TRY(status);
		s->count++;
	}
	return THAW_OK;
}

static thaw_status check_tensors(const struct shards *s, json_t *map)
{
	const char *tensor;
	json_t *file;
	json_object_foreach(map, tensor, file)
	{
		json_t *number = json_object_get(s->files, json_string_value(file));
		if (thaw_weights_find(&s->parts[json_integer_value(number)], tensor))
			continue;
		char name[128];
		thaw_text_printable(name, sizeof(name), tensor, strlen(tensor));
		return thaw_fail(THAW_DATA, "tensor %s of the index is missing in its file: %s: copy all files again",
				 name, s->path);
	}
	return THAW_OK;
}

static void release_parts(struct thaw_weights *w)
{
	struct thaw_weights *parts = w->storage;
	for (size_t i = 0; parts[i].release; i++)
		thaw_weights_free(&parts[i]);
	thaw_free(parts);
}

/* Adds the metadata of a file to that of the files before it. Of other programs' keys, the first value counts. */
static thaw_status join_metadata(const struct shards *s, struct thaw_weights *w, struct thaw_weights *part)
{
	for (int i = 0; i < part->metadata_count; i++) {
		struct thaw_pair *pair = &part->metadata[i];
		const char *earlier = thaw_weights_get(w, pair->key);
		if (earlier && strcmp(earlier, pair->value) != 0 && strncmp(pair->key, OWN_KEYS, strlen(OWN_KEYS)) == 0)
			return thaw_fail(THAW_DATA, "the files differ in their metadata %s: %s: copy all files again",
					 pair->key, s->path);
		if (earlier)
			continue;
		w->metadata[w->metadata_count++] = *pair;
		*pair = (struct thaw_pair){NULL, NULL};
	}
	return THAW_OK;
}

/* Moves the tensors and metadata of all files to *w, which then owns the files. */
static thaw_status join(struct shards *s, struct thaw_weights *w)
{
	size_t total = 0, pairs = 0;
	for (size_t i = 0; i < s->count; i++) {
		total += (size_t)s->parts[i].count;
		pairs += (size_t)s->parts[i].metadata_count;
	}
	if (pairs > MAX_PAIRS)
		return thaw_fail(THAW_DATA, "refused: %s: its files have more than %d entries of metadata", s->path,
				 MAX_PAIRS);
	w->tensors = thaw_alloc(total, sizeof(*w->tensors));
	w->metadata = thaw_alloc(pairs, sizeof(*w->metadata));
	if (!w->tensors || !w->metadata)
		return THAW_RESOURCE;
	for (size_t i = 0; i < s->count; i++) {
		struct thaw_weights *part = &s->parts[i];
		THAW_TRY(join_metadata(s, w, part));
		for (int k = 0; k < part->count; k++) {
			w->tensors[w->count++] = part->tensors[k];
			part->tensors[k].name = NULL;
		}
		w->storage_bytes += part->storage_bytes;
	}
	w->storage = s->parts;
	w->release = release_parts;
	s->parts = NULL;
	s->count = 0;
	return thaw_weights_check_names(w->tensors, w->count, s->path);
}

static thaw_status read_shards(struct shards *s, json_t *index, struct thaw_weights *w)
{
	json_t *map = json_object_get(index, "weight_map");
	if (!json_is_object(map) || json_object_size(map) == 0)
		return thaw_fail(THAW_DATA, "not an index of weight files: %s: it has no weight_map", s->path);
	THAW_TRY(list_files(s, map));
	THAW_TRY(read_files(s));
	THAW_TRY(check_tensors(s, map));
	return join(s, w);
}

thaw_status thaw_weights_read_index(struct thaw_weights *w, const char *path)
{
	void *bytes = NULL;
	size_t size = 0;
	json_error_t where;
	THAW_TRY(thaw_file_read(&bytes, &size, path, MAX_INDEX));
	struct shards s = {.path = path, .files = json_object()};
	struct thaw_weights joined = {0};
	json_t *index = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &where);
	thaw_free(bytes);
	thaw_status status =
		!s.files ? thaw_fail(THAW_RESOURCE, "out of memory: %s", path)
		: index  ? read_shards(&s, index, &joined)
			 : thaw_fail(THAW_DATA, "invalid JSON in line %d: %s: copy it again", where.line, path);
	for (size_t i = 0; i < s.count; i++)
		thaw_weights_free(&s.parts[i]);
	thaw_free(s.parts);
	json_decref(s.files);
	json_decref(index);
	if (status == THAW_OK)
		*w = joined;
	else
		thaw_weights_free(&joined);
	return status;
}
