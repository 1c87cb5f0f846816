/* All samples are known by the digests of their keys. Names are compared where keys do not decide, and when an image is
 * read: to read all names when the shards are opened would take long. */
#include "src/data/manifest_members.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/data/names.h"
#include "src/data/tar_name.h"
#include "thaw/memory.h"

#define ANY_SHARD (-1)

/* A digest that a path leads to. */
struct wanted {
	uint64_t digest;
	int64_t image, shard;
};

struct lookup {
	const struct tar_files *f;
	struct manifest_search *s;
	int64_t *sample;       /* [s->count] */
	struct wanted *wanted; /* [count] sorted by digest */
	int64_t count;
	bool below; /* members are compared without their folders */
	int64_t first_below, found_below;
};

static int compare_prefix(const void *path, const void *name)
{
	size_t length = strlen(*(char *const *)name);
	int order = strncmp(path, *(char *const *)name, length);
	return order != 0 ? order : ((const char *)path)[length] == '/' ? 0 : 1;
}

/* The shard that a path begins with, and the part of the path behind it. */
static int64_t shard_of_path(const struct tar_files *f, const char *path, const char **rest)
{
	char *const *name = bsearch(path, f->shards.name, (size_t)f->shards.count, sizeof(*name), compare_prefix);
	*rest = name ? path + strlen(*name) + 1 : path;
	return name ? name - f->shards.name : ANY_SHARD;
}

/* Whether a member has the name that the path says, or begins with the path and a dot: then the path is its key, or
 * lacks its extension. A path without a folder may leave out that of the member. */
static bool has_name(const char *member, const struct tar_name *path)
{
	size_t length = strlen(path->text);
	const char *name = path->folder == 0 ? thaw_base_name(member) : member;
	return strncmp(name, path->text, length) == 0 && (name[length] == '\0' || name[length] == '.');
}

bool thaw_manifest_member_fits(const struct tar_files *f, int64_t sample, const char *name, const char *path)
{
	const char *rest, *shard = f->shards.name[thaw_tar_shard(f, sample)];
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	shard_of_path(f, path, &rest);
	bool same = n && thaw_tar_name_parse(n, rest) &&
		    (thaw_tar_is_link(f, sample) || has_name(name + strlen(shard) + 1, n));
	thaw_free(n);
	return same;
}

/* Whether the path is that of the sample. */
static bool fits(const struct lookup *l, int64_t image, int64_t sample)
{
	char name[MEMBER_NAME];
	thaw_tar_name(l->f, sample, name, sizeof(name));
	return thaw_manifest_member_fits(l->f, sample, name, thaw_manifest_search_path(l->s, image));
}

static int compare_wanted(const void *a, const void *b)
{
	const struct wanted *x = a, *y = b;
	if (x->digest != y->digest)
		return x->digest < y->digest ? -1 : 1;
	return (x->image > y->image) - (x->image < y->image);
}

/* Lists the digests of the keys and names of all paths. */
static thaw_status list_wanted(struct lookup *l)
{
	const char *rest;
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	l->wanted = thaw_alloc(2 * (size_t)l->s->count, sizeof(*l->wanted));
	for (int64_t i = 0; n && l->wanted && i < l->s->count; i++) {
		int64_t shard = shard_of_path(l->f, thaw_manifest_search_path(l->s, i), &rest);
		if (!thaw_tar_name_parse(n, rest))
			continue;
		l->wanted[l->count++] = (struct wanted){thaw_tar_name_digest(n), i, shard};
		if (n->text[n->key])
			l->wanted[l->count++] = (struct wanted){thaw_tar_key_digest(n), i, shard};
	}
	bool failed = !n || !l->wanted;
	thaw_free(n);
	if (failed)
		return THAW_RESOURCE;
	qsort(l->wanted, (size_t)l->count, sizeof(*l->wanted), compare_wanted);
	return THAW_OK;
}

static thaw_status fail_several(const struct lookup *l, int64_t image, int64_t one, int64_t other)
{
	char first[MEMBER_NAME], second[MEMBER_NAME];
	bool same = thaw_tar_shard(l->f, one) == thaw_tar_shard(l->f, other);
	thaw_tar_name(l->f, one, first, sizeof(first));
	thaw_tar_name(l->f, other, second, sizeof(second));
	return thaw_fail(THAW_DATA, "several images fit \"%.200s\": %s: line %lld: %.200s and %.200s: %s",
			 thaw_manifest_search_path(l->s, image), l->s->m->file, thaw_manifest_search_line(l->s, image),
			 first, second,
			 same ? "remove one of them from the shard, or the row"
			      : "give the path with its shard, as these are");
}

/* The sample may be the one of the image. */
static thaw_status claim(struct lookup *l, int64_t image, int64_t sample)
{
	int64_t *at = &l->sample[image];
	if (*at == sample || (l->below && !fits(l, image, sample)))
		return THAW_OK;
	if (*at != MANIFEST_MISSING && fits(l, image, *at))
		return fits(l, image, sample) ? fail_several(l, image, *at, sample) : THAW_OK;
	if (l->below && *at == MANIFEST_MISSING)
		l->first_below = l->found_below++ == 0 ? image : l->first_below;
	*at = sample;
	l->s->found[image] = true;
	return THAW_OK;
}

/* Gives a sample to the images that want its digest. */
static thaw_status match(struct lookup *l, int64_t sample, uint64_t digest)
{
	int64_t low = 0, high = l->count;
	while (low < high) {
		int64_t middle = low + (high - low) / 2;
		if (l->wanted[middle].digest < digest)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < l->count && l->wanted[low].digest == digest; low++) {
		const struct wanted *w = &l->wanted[low];
		if (w->shard == ANY_SHARD || w->shard == thaw_tar_shard(l->f, sample))
			THAW_TRY(claim(l, w->image, sample));
	}
	return THAW_OK;
}

static thaw_status match_keys(struct lookup *l)
{
	for (int64_t k = 0; k < l->f->count; k++)
		THAW_TRY(match(l, k, thaw_tar_key(l->f, k)));
	return THAW_OK;
}

/* Keeps the wanted digests of paths without a folder that were not found. */
static void keep_flat(struct lookup *l)
{
	int64_t kept = 0;
	for (int64_t k = 0; k < l->count; k++) {
		const struct wanted *w = &l->wanted[k];
		if (!l->s->found[w->image] && !strchr(thaw_manifest_search_path(l->s, w->image), '/'))
			l->wanted[kept++] = *w;
	}
	l->count = kept;
}

/* Compares the names of all members without their folders, as those of files in folders are. */
static thaw_status match_below(struct lookup *l)
{
	char name[MEMBER_NAME];
	const struct tar_files *f = l->f;
	keep_flat(l);
	if (l->count == 0)
		return THAW_OK;
	l->below = true;
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	thaw_status status = n ? THAW_OK : THAW_RESOURCE;
	for (int64_t k = 0; status == THAW_OK && k < f->count; k++) {
		if (thaw_tar_is_link(f, k))
			continue; /* its name is that of what it leads to */
		thaw_tar_name(f, k, name, sizeof(name));
		if (!thaw_tar_name_parse(n, thaw_base_name(name)))
			continue;
		status = match(l, k, thaw_tar_name_digest(n));
		if (status == THAW_OK && n->text[n->key])
			status = match(l, k, thaw_tar_key_digest(n));
	}
	thaw_free(n);
	return status;
}

/* Claims are pairs of a sample and an image. */
static int compare_claims(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	int k = x[0] == y[0];
	return (x[k] > y[k]) - (x[k] < y[k]);
}

/* Two images of the manifest lead to one sample: the one whose path is not its name is missing. */
static thaw_status settle(struct lookup *l, int64_t one, int64_t other)
{
	bool first_fits = fits(l, one, l->sample[one]);
	if (first_fits && fits(l, other, l->sample[other]))
		return thaw_manifest_search_fail_same(l->s->m, l->s->rows[one], l->s->rows[other]);
	int64_t wrong = first_fits ? other : one;
	l->sample[wrong] = MANIFEST_MISSING;
	l->s->found[wrong] = false;
	return THAW_OK;
}

static thaw_status find_repeats(struct lookup *l)
{
	int64_t count = 0, (*claims)[2] = thaw_alloc((size_t)l->s->count, sizeof(*claims));
	thaw_status status = claims ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; claims && i < l->s->count; i++)
		if (l->sample[i] != MANIFEST_MISSING) {
			claims[count][0] = l->sample[i];
			claims[count++][1] = i;
		}
	if (claims)
		qsort(claims, (size_t)count, sizeof(*claims), compare_claims);
	for (int64_t k = 1; status == THAW_OK && k < count; k++) {
		if (claims[k][0] != claims[k - 1][0])
			continue;
		status = settle(l, claims[k - 1][1], claims[k][1]);
		if (l->s->found[claims[k - 1][1]])
			claims[k][1] = claims[k - 1][1]; /* compared with the next one */
	}
	thaw_free(claims);
	return status;
}

static thaw_status find_all(struct lookup *l, struct thaw_found *found)
{
	THAW_TRY(list_wanted(l));
	THAW_TRY(match_keys(l));
	THAW_TRY(match_below(l));
	THAW_TRY(find_repeats(l));
	if (l->found_below == 0)
		return THAW_OK;
	return thaw_found_note(found,
			       thaw_format("%lld images were found by their names in folders of the shards (first: %s)",
					   (long long)l->found_below, thaw_manifest_search_path(l->s, l->first_below)));
}

thaw_status thaw_manifest_members_find(int64_t *sample, const struct tar_files *f, struct manifest_search *s,
				       struct thaw_found *found)
{
	struct lookup l = {.f = f, .s = s, .sample = sample};
	for (int64_t i = 0; i < s->count; i++)
		sample[i] = MANIFEST_MISSING;
	thaw_status status = find_all(&l, found);
	thaw_free(l.wanted);
	return status;
}
