#include "src/check/findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define FIRST_ROOM 64

thaw_status thaw_findings_add(struct thaw_findings *f, enum thaw_issue issue, const struct thaw_finding *finding)
{
	struct thaw_issue_findings *i = &f->issue[issue];
	if (i->count == i->room) {
		int64_t room = 2 * i->room + FIRST_ROOM;
		struct thaw_finding *grown = thaw_alloc((size_t)room, sizeof(*grown));
		if (!grown)
			return THAW_RESOURCE;
		if (i->count > 0)
			memcpy(grown, i->finding, (size_t)i->count * sizeof(*grown));
		thaw_free(i->finding);
		i->finding = grown;
		i->room = room;
	}
	i->finding[i->count++] = *finding;
	return THAW_OK;
}

/* The worst first, then in the order of the dataset. */
static int compare_findings(const void *left, const void *right)
{
	const struct thaw_finding *a = left, *b = right;
	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	return (a->image > b->image) - (a->image < b->image);
}

static void set_mean(struct thaw_issue_findings *i, const float *score, int64_t count)
{
	double sum = 0.0;
	i->measured = 0;
	for (int64_t k = 0; k < count; k++) {
		if (isnan(score[k]))
			continue;
		sum += (double)score[k];
		i->measured++;
	}
	i->score = i->measured > 0 ? sum / (double)i->measured : 1.0;
}

void thaw_findings_finish(struct thaw_findings *f, int64_t count)
{
	for (int k = 0; k < THAW_ISSUES; k++) {
		struct thaw_issue_findings *i = &f->issue[k];
		if (f->score[k])
			set_mean(i, f->score[k], count);
		if (i->count > 1)
			qsort(i->finding, (size_t)i->count, sizeof(*i->finding), compare_findings);
	}
}

void thaw_findings_release(struct thaw_findings *f)
{
	for (int k = 0; k < THAW_ISSUES; k++) {
		thaw_free(f->issue[k].finding);
		thaw_free(f->score[k]);
	}
	*f = (struct thaw_findings){0};
}
