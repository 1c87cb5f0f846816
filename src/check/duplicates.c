#include <math.h>
#include <stdlib.h>

#include "src/base/try.h"
#include "src/check/findings.h"
#include "thaw/memory.h"

bool thaw_stays(const struct thaw_pool *pool, int64_t image, int64_t other)
{
	int mine = thaw_pool_part(pool, image), its = thaw_pool_part(pool, other);
	return mine != its ? mine > its : image < other;
}

/* The targets of an image; NULL: it has none. */
static const float *targets_of(const struct thaw_pool *pool, int64_t image)
{
	int part = thaw_pool_part(pool, image);
	const struct thaw_dataset *d = &pool->part[part];
	return d->targets ? d->targets + (image - pool->first[part]) * d->classes : NULL;
}

/* All parts have the same classes where there are targets. */
bool thaw_labels_differ(const struct thaw_pool *pool, int64_t a, int64_t b)
{
	const float *x = targets_of(pool, a), *y = targets_of(pool, b);
	if (!x || !y)
		return pool->all.labels[a] != pool->all.labels[b];
	for (int c = 0; c < pool->all.classes; c++)
		if (x[c] < y[c] || x[c] > y[c]) /* not where one is unknown */
			return true;
	return false;
}

struct digest {
	uint64_t pixels;
	int64_t image;
};

static int compare_digests(const void *left, const void *right)
{
	const struct digest *a = left, *b = right;
	if (a->pixels != b->pixels)
		return a->pixels < b->pixels ? -1 : 1;
	return (a->image > b->image) - (a->image < b->image);
}

static int64_t choose_kept(const struct digest *group, int64_t begin, int64_t end, const struct thaw_pool *pool)
{
	int64_t kept = group[begin].image;
	for (int64_t i = begin + 1; i < end; i++)
		if (thaw_stays(pool, group[i].image, kept))
			kept = group[i].image;
	return kept;
}

static thaw_status add_group(struct thaw_copies *exact, const struct digest *group, int64_t begin, int64_t end,
			     const struct thaw_pool *pool)
{
	int64_t kept = choose_kept(group, begin, end, pool);
	for (int64_t i = begin; i < end; i++)
		if (group[i].image != kept)
			THAW_TRY(thaw_copies_add(exact, group[i].image, kept, 1.0f));
	return THAW_OK;
}

thaw_status thaw_exact_find(struct thaw_copies *exact, const struct thaw_image_facts *facts,
			    const struct thaw_pool *pool)
{
	struct thaw_copies made = {0};
	int64_t read = 0;
	struct digest *d = thaw_alloc((size_t)pool->all.count, sizeof(*d));
	if (!d)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < pool->all.count; i++)
		if (facts[i].reading == THAW_READ)
			d[read++] = (struct digest){facts[i].pixels, i};
	if (read > 1)
		qsort(d, (size_t)read, sizeof(*d), compare_digests);
	thaw_status status = THAW_OK;
	for (int64_t begin = 0, end; begin < read && status == THAW_OK; begin = end) {
		for (end = begin + 1; end < read && d[end].pixels == d[begin].pixels;)
			end++;
		status = add_group(&made, d, begin, end, pool);
	}
	thaw_free(d);
	if (status == THAW_OK)
		*exact = made;
	else
		thaw_copies_release(&made);
	return status;
}

/* An image that does not stay, and one that it is like. */
struct loser {
	int64_t image, other;
	int part; /* of `other` */
	float similarity;
};

/* By image; a copy in another split, which is worse, goes before one in its own; then by similarity. */
static int compare_losers(const void *left, const void *right)
{
	const struct loser *a = left, *b = right;
	if (a->image != b->image)
		return a->image < b->image ? -1 : 1;
	if (a->part != b->part)
		return b->part - a->part;
	if (a->similarity != b->similarity)
		return a->similarity > b->similarity ? -1 : 1;
	return (a->other > b->other) - (a->other < b->other);
}

thaw_status thaw_findings_of_copies(struct thaw_findings *f, enum thaw_issue issue, const struct thaw_copies *copies,
				    const struct thaw_pool *pool)
{
	struct loser *l = thaw_alloc((size_t)copies->count, sizeof(*l));
	f->score[issue] = thaw_alloc((size_t)pool->all.count, sizeof(float));
	thaw_status status = l && f->score[issue] ? THAW_OK : THAW_RESOURCE;
	for (int64_t i = 0; i < copies->count && status == THAW_OK; i++) {
		const struct thaw_copy *c = &copies->copy[i];
		bool first = thaw_stays(pool, c->a, c->b);
		int64_t kept = first ? c->a : c->b;
		l[i] = (struct loser){first ? c->b : c->a, kept, thaw_pool_part(pool, kept), c->similarity};
	}
	if (status == THAW_OK && copies->count > 1)
		qsort(l, (size_t)copies->count, sizeof(*l), compare_losers);
	for (int64_t i = 0; i < pool->all.count && status == THAW_OK; i++)
		f->score[issue][i] = 1.0f;
	for (int64_t i = 0; i < copies->count && status == THAW_OK; i++) {
		if (i > 0 && l[i].image == l[i - 1].image)
			continue;
		/* Never THAW_FLAG or more. */
		const struct thaw_finding finding = {l[i].image, l[i].other, fminf(1.0f - l[i].similarity, 0.49f), -1};
		f->score[issue][l[i].image] = finding.score;
		status = thaw_findings_add(f, issue, &finding);
	}
	thaw_free(l);
	return status;
}
