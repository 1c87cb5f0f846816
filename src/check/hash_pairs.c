/* Multi-index hashing (Norouzi, Punjani and Fleet 2012): a hash is cut into four words of 16 bits. If two hashes differ
 * in up to 7 bits, one of their words differs in at most one bit. So a table for each word, in which the word itself
 * and its 16 neighbours are looked up, finds all of them, and of a million hashes only some hundred are compared. Two
 * hashes that differ in 8 bits are missed only if each word differs in two, which is the case for one pair in 26.
 *
 * All hashes of one view are looked up together, in the order of their words: what one needs from the table is in the
 * cache for the next. */
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
	NEAREST = 8,         /* pairs that one image begins */
	NEAREST_CROWDED = 4, /* and if it has too many look-alikes */
	LEAST_BUDGET = 512,  /* hashes that one is compared with in one table, at most, in a small set */
	BUDGET_FACTOR = 64,  /* and in a large one, in units of the mean number with the same word */
};

/* Hashes by one word: those with word w are [start[w], start[w + 1]). */
struct table {
	uint32_t *start; /* [KEYS + 2] */
	uint32_t *image;
	uint64_t *hash;
};

struct hit {
	uint32_t image;
	uint8_t view, distance;
};

/* The nearest images of one, in no order. */
struct nearest {
	struct hit hit[NEAREST];
	uint8_t count;
	bool crowded; /* there are more, or not all were compared */
};

struct search {
	const struct thaw_hashes *hashes;
	struct table wholes, queries; /* of one word; the hashes of the images, and those of one view */
	struct nearest *nearest;      /* [count] */
	int64_t budget;
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

static thaw_status open_table(struct table *t, int64_t count)
{
	t->start = thaw_alloc(KEYS + 2, sizeof(*t->start));
	t->image = thaw_alloc((size_t)count, sizeof(*t->image));
	t->hash = thaw_alloc((size_t)count, sizeof(*t->hash));
	return t->start && t->image && t->hash ? THAW_OK : THAW_RESOURCE;
}

static void close_table(struct table *t)
{
	thaw_free(t->start);
	thaw_free(t->image);
	thaw_free(t->hash);
}

/* Sorts the hashes of a view by a word, those of the same word by image. */
static void fill_table(struct table *t, const struct thaw_hashes *h, int view, int word)
{
	memset(t->start, 0, (KEYS + 2) * sizeof(*t->start));
	for (int64_t i = 0; i < h->count; i++)
		if (h->used[i])
			t->start[word_of(hash_of(h, i, view), word) + 2]++;
	for (int k = 2; k < KEYS + 2; k++)
		t->start[k] += t->start[k - 1];
	for (int64_t i = 0; i < h->count; i++) {
		if (!h->used[i])
			continue;
		uint64_t hash = hash_of(h, i, view);
		uint32_t at = t->start[word_of(hash, word) + 1]++;
		t->image[at] = (uint32_t)i;
		t->hash[at] = hash;
	}
}

static bool is_nearer(const struct hit *a, const struct hit *b)
{
	return a->distance != b->distance ? a->distance < b->distance : a->image < b->image;
}

/* Adds an image, or a nearer view of one that is there. If there are too many, the farthest goes. */
static void add_hit(struct nearest *n, const struct hit *hit)
{
	int farthest = 0;
	for (int k = 0; k < n->count; k++) {
		struct hit *h = &n->hit[k];
		if (h->image == hit->image) {
			if (hit->distance < h->distance || (hit->distance == h->distance && hit->view < h->view))
				*h = *hit;
			return;
		}
		farthest = is_nearer(&n->hit[farthest], h) ? k : farthest;
	}
	if (n->count < NEAREST) {
		n->hit[n->count++] = *hit;
		return;
	}
	n->crowded = true;
	if (is_nearer(hit, &n->hit[farthest]))
		n->hit[farthest] = *hit;
}

/* Compares a hash with those of the images that have the word `key`. */
THAW_MULTIVERSION static void compare(struct search *s, uint32_t key, uint32_t image, uint64_t hash, int view,
				      int64_t *budget)
{
	const struct table *t = &s->wholes;
	uint32_t end = t->start[key + 1];
	if ((int64_t)(end - t->start[key]) > *budget) {
		end = t->start[key] + (uint32_t)*budget;
		s->nearest[image].crowded = true;
	}
	*budget -= end - t->start[key];
	for (uint32_t k = t->start[key]; k < end; k++) {
		int distance = __builtin_popcountll(t->hash[k] ^ hash);
		if (distance > THAW_HASH_RADIUS || t->image[k] == image)
			continue;
		add_hit(&s->nearest[image], &(struct hit){t->image[k], (uint8_t)view, (uint8_t)distance});
	}
}

/* Looks up all hashes of a view with the word `key`: the word itself first, since the budget may end. */
static void look_up(struct search *s, uint32_t key, int view)
{
	const struct table *q = &s->queries;
	for (uint32_t k = q->start[key]; k < q->start[key + 1]; k++) {
		int64_t budget = s->budget;
		compare(s, key, q->image[k], q->hash[k], view, &budget);
		for (int bit = 0; bit < WORD_BITS; bit++)
			compare(s, key ^ 1u << bit, q->image[k], q->hash[k], view, &budget);
	}
}

static thaw_status search_all(struct search *s)
{
	const struct thaw_hashes *h = s->hashes;
	THAW_TRY(open_table(&s->wholes, h->count));
	THAW_TRY(open_table(&s->queries, h->count));
	s->nearest = thaw_alloc((size_t)h->count, sizeof(*s->nearest));
	if (!s->nearest)
		return THAW_RESOURCE;
	s->budget = max_int64(LEAST_BUDGET, BUDGET_FACTOR * h->count / KEYS);
	for (int word = 0; word < WORDS; word++) {
		fill_table(&s->wholes, h, 0, word);
		for (int view = 0; view < h->views; view++) {
			fill_table(&s->queries, h, view, word);
			for (uint32_t key = 0; key < KEYS; key++)
				look_up(s, key, view);
		}
	}
	return THAW_OK;
}

static int by_distance(const void *left, const void *right)
{
	return is_nearer(left, right) ? -1 : is_nearer(right, left);
}

static thaw_status collect(struct thaw_hash_pairs *p, const struct search *s)
{
	int64_t all = 0;
	for (int64_t i = 0; i < s->hashes->count; i++)
		all += s->nearest[i].count;
	p->pair = thaw_alloc((size_t)all, sizeof(*p->pair));
	if (!p->pair)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < s->hashes->count; i++) {
		struct nearest *n = &s->nearest[i];
		int most = n->crowded ? NEAREST_CROWDED : NEAREST;
		if (n->count > 1)
			qsort(n->hit, n->count, sizeof(*n->hit), by_distance);
		for (int k = 0; k < n->count && k < most; k++)
			p->pair[p->count++] =
				(struct thaw_hash_pair){i, n->hit[k].image, n->hit[k].view, n->hit[k].distance};
		p->crowded += n->crowded;
	}
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
	thaw_status status = search_all(&s);
	if (status == THAW_OK)
		status = collect(&made, &s);
	close_table(&s.wholes);
	close_table(&s.queries);
	thaw_free(s.nearest);
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
