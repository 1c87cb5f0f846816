/* Multi-index hashing (Norouzi, Punjani and Fleet 2012): a hash is cut into four words of 16 bits. If two hashes differ
 * in up to 7 bits, one of their words differs in at most one bit. So a table for each word, in which the word itself
 * and its 16 neighbours are looked up, finds all of them, and of a million hashes only some hundred are compared. Two
 * hashes that differ in 8 bits are missed only if each word differs in two, which is the case for one pair in 26. */
#include "src/check/hash_pairs.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/multiversion.h"
#include "src/base/try.h"
#include "thaw/memory.h"

enum {
	WORDS = 4,
	WORD_BITS = 16,
	KEYS = 1 << WORD_BITS,
	PROBES = WORDS * (1 + WORD_BITS),
	MAX_COMPARED = 4096,      /* hashes that the hash of a whole image is compared with, at most */
	MAX_COMPARED_VIEW = 1024, /* and that of another view */
	MAX_NEAR = 8,             /* pairs that one image begins */
	MAX_NEAR_CROWDED = 4,     /* and if it has too many look-alikes */
};

/* The whole images by one word of their hashes: those with word w are [start[w], start[w + 1]). */
struct table {
	uint32_t *start; /* [KEYS + 1] */
	uint32_t *image;
	uint64_t *hash;
};

struct hit {
	uint32_t image;
	int16_t view, distance;
};

struct search {
	const struct thaw_hashes *hashes;
	struct table table[WORDS];
	struct hit *hit; /* those of one image */
	size_t hits, room;
	int64_t budget; /* hashes that this view may still be compared with */
	bool crowded;   /* some were left out */
};

static uint64_t hash_of(const struct thaw_hashes *h, int64_t image, int view)
{
	const char *at = (const char *)h->first + (size_t)image * h->stride;
	uint64_t hash;
	memcpy(&hash, at + (size_t)view * sizeof(hash), sizeof(hash));
	return hash;
}

static uint32_t word_of(uint64_t hash, int word)
{
	return (uint32_t)(hash >> (word * WORD_BITS)) & (KEYS - 1);
}

static thaw_status fill_table(struct table *t, const struct thaw_hashes *h, int word)
{
	t->start = thaw_alloc(KEYS + 2, sizeof(*t->start));
	t->image = thaw_alloc((size_t)h->count, sizeof(*t->image));
	t->hash = thaw_alloc((size_t)h->count + 1, sizeof(*t->hash));
	if (!t->start || !t->image || !t->hash)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < h->count; i++)
		if (h->used[i])
			t->start[word_of(hash_of(h, i, 0), word) + 2]++;
	for (int k = 2; k < KEYS + 2; k++)
		t->start[k] += t->start[k - 1];
	for (int64_t i = 0; i < h->count; i++) {
		if (!h->used[i])
			continue;
		uint64_t hash = hash_of(h, i, 0);
		uint32_t at = t->start[word_of(hash, word) + 1]++;
		t->image[at] = (uint32_t)i;
		t->hash[at] = hash;
	}
	return THAW_OK;
}

static thaw_status add_hit(struct search *s, uint32_t image, int view, int distance)
{
	if (s->hits == s->room) {
		size_t room = 2 * s->room + 64;
		struct hit *grown = thaw_alloc(room, sizeof(*grown));
		if (!grown)
			return THAW_RESOURCE;
		if (s->hits > 0)
			memcpy(grown, s->hit, s->hits * sizeof(*grown));
		thaw_free(s->hit);
		s->hit = grown;
		s->room = room;
	}
	s->hit[s->hits++] = (struct hit){image, (int16_t)view, (int16_t)distance};
	return THAW_OK;
}

/* Looks up a word in a table and compares what is there. */
THAW_MULTIVERSION static thaw_status look_up(struct search *s, int word, uint32_t key, int64_t image, int view,
					     uint64_t hash)
{
	const struct table *t = &s->table[word];
	uint32_t end = t->start[key + 1];
	if ((int64_t)(end - t->start[key]) > s->budget) {
		end = t->start[key] + (uint32_t)s->budget;
		s->crowded = true;
	}
	s->budget -= end - t->start[key];
	for (uint32_t k = t->start[key]; k < end; k++) {
		int distance = __builtin_popcountll(t->hash[k] ^ hash);
		if (distance > THAW_HASH_RADIUS || t->image[k] == image)
			continue;
		THAW_TRY(add_hit(s, t->image[k], view, distance));
	}
	return THAW_OK;
}

/* Key number `k` of a hash: first the words themselves, which are the most likely to lead to a pair, in case the budget
 * ends; then their neighbours. */
static uint32_t key_of(uint64_t hash, int k)
{
	return k < WORDS ? word_of(hash, k) : word_of(hash, k % WORDS) ^ 1u << (k / WORDS - 1);
}

/* Most of the time is spent waiting for memory, so that is asked for ahead. */
static void prefetch(const struct search *s, uint64_t hash)
{
	for (int k = 0; k < PROBES; k++)
		__builtin_prefetch(&s->table[k % WORDS].start[key_of(hash, k)]);
	for (int k = 0; k < PROBES; k++) {
		const struct table *t = &s->table[k % WORDS];
		__builtin_prefetch(&t->hash[t->start[key_of(hash, k)]]);
	}
}

static thaw_status find_near(struct search *s, int64_t image, int view)
{
	uint64_t hash = hash_of(s->hashes, image, view);
	s->budget = view == 0 ? MAX_COMPARED : MAX_COMPARED_VIEW;
	prefetch(s, hash);
	for (int k = 0; k < PROBES; k++)
		THAW_TRY(look_up(s, k % WORDS, key_of(hash, k), image, view, hash));
	return THAW_OK;
}

static int by_image(const void *left, const void *right)
{
	const struct hit *a = left, *b = right;
	if (a->image != b->image)
		return a->image < b->image ? -1 : 1;
	return a->distance != b->distance ? a->distance - b->distance : a->view - b->view;
}

static int by_distance(const void *left, const void *right)
{
	const struct hit *a = left, *b = right;
	return a->distance != b->distance ? a->distance - b->distance : by_image(left, right);
}

/* Keeps the nearest view of each image, and the nearest images. */
static void choose_hits(struct search *s)
{
	size_t kept = 0;
	if (s->hits == 0)
		return;
	qsort(s->hit, s->hits, sizeof(*s->hit), by_image);
	for (size_t i = 0; i < s->hits; i++)
		if (i == 0 || s->hit[i].image != s->hit[i - 1].image)
			s->hit[kept++] = s->hit[i];
	s->crowded |= kept > MAX_NEAR;
	const size_t most = s->crowded ? MAX_NEAR_CROWDED : MAX_NEAR;
	qsort(s->hit, kept, sizeof(*s->hit), by_distance);
	s->hits = kept < most ? kept : most;
}

static thaw_status reserve(struct thaw_hash_pairs *p, size_t more)
{
	if ((size_t)(p->room - p->count) >= more)
		return THAW_OK;
	int64_t room = 2 * p->room + (int64_t)more + 1024;
	struct thaw_hash_pair *grown = thaw_alloc((size_t)room, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	if (p->count > 0)
		memcpy(grown, p->pair, (size_t)p->count * sizeof(*grown));
	thaw_free(p->pair);
	p->pair = grown;
	p->room = room;
	return THAW_OK;
}

static thaw_status add_image(struct search *s, struct thaw_hash_pairs *pairs, int64_t image)
{
	s->hits = 0;
	s->crowded = false;
	for (int view = 0; view < s->hashes->views; view++)
		THAW_TRY(find_near(s, image, view));
	choose_hits(s);
	pairs->crowded += s->crowded;
	THAW_TRY(reserve(pairs, s->hits));
	for (size_t i = 0; i < s->hits; i++)
		pairs->pair[pairs->count++] =
			(struct thaw_hash_pair){image, s->hit[i].image, s->hit[i].view, s->hit[i].distance};
	return THAW_OK;
}

/* By the lower image, the higher one, and the distance. */
static int by_pair(const void *left, const void *right)
{
	const struct thaw_hash_pair *a = left, *b = right;
	int64_t low[2] = {min_int64(a->whole, a->part), min_int64(b->whole, b->part)};
	int64_t high[2] = {max_int64(a->whole, a->part), max_int64(b->whole, b->part)};
	if (low[0] != low[1])
		return low[0] < low[1] ? -1 : 1;
	if (high[0] != high[1])
		return high[0] < high[1] ? -1 : 1;
	if (a->distance != b->distance)
		return a->distance - b->distance;
	return a->view != b->view ? a->view - b->view : a->whole < b->whole ? -1 : a->whole > b->whole;
}

static bool same_images(const struct thaw_hash_pair *a, const struct thaw_hash_pair *b)
{
	return (a->whole == b->whole && a->part == b->part) || (a->whole == b->part && a->part == b->whole);
}

/* Each pair may have been found from both of its images. */
static void remove_repeated(struct thaw_hash_pairs *p)
{
	int64_t kept = 0;
	if (p->count > 1)
		qsort(p->pair, (size_t)p->count, sizeof(*p->pair), by_pair);
	for (int64_t i = 0; i < p->count; i++)
		if (kept == 0 || !same_images(&p->pair[i], &p->pair[kept - 1]))
			p->pair[kept++] = p->pair[i];
	p->count = kept;
}

thaw_status thaw_hash_pairs_find(struct thaw_hash_pairs *pairs, const struct thaw_hashes *hashes)
{
	struct search s = {.hashes = hashes};
	struct thaw_hash_pairs made = {0};
	thaw_status status = THAW_OK;
	for (int w = 0; w < WORDS && status == THAW_OK; w++)
		status = fill_table(&s.table[w], hashes, w);
	for (int64_t i = 0; i < hashes->count && status == THAW_OK; i++)
		if (hashes->used[i])
			status = add_image(&s, &made, i);
	for (int w = 0; w < WORDS; w++) {
		thaw_free(s.table[w].start);
		thaw_free(s.table[w].image);
		thaw_free(s.table[w].hash);
	}
	thaw_free(s.hit);
	remove_repeated(&made);
	if (status == THAW_OK)
		*pairs = made;
	else
		thaw_hash_pairs_release(&made);
	return status;
}

void thaw_hash_pairs_release(struct thaw_hash_pairs *pairs)
{
	thaw_free(pairs->pair);
	*pairs = (struct thaw_hash_pairs){0};
}
