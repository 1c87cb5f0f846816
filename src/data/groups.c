/* Images of one patient, plant or camera resemble each other: a result on images of a group that was trained on does
 * not say how good the network is on new ones. */
#include "src/data/groups.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "src/data/found.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define NAME_SIZE 4096 /* bytes of a sample's name */

uint64_t thaw_group_digest(const char *name, size_t length)
{
	uint64_t digest = length > 0 ? thaw_digest(name, length, 0) : 0;
	return length > 0 && digest == 0 ? 1 : digest;
}

/* Names without a match: each image is a group of its own. */
static thaw_status note_unmatched(struct thaw_dataset *d, const char *pattern, int64_t unmatched, int64_t first)
{
	char name[NAME_SIZE];
	if (unmatched == 0)
		return THAW_OK;
	d->name(d, first, name, sizeof(name));
	if (unmatched == d->count)
		return thaw_fail(THAW_USAGE,
				 "no name of an image matches: --group-by %s: the names are those that messages show, "
				 "such as %s",
				 pattern, name);
	return thaw_found_note(d->found, thaw_format("%lld of the images do not match --group-by and are in no group "
						     "(first: %s)",
						     (long long)unmatched, name));
}

static thaw_status match_names(struct thaw_dataset *d, const regex_t *expression, const char *pattern)
{
	char name[NAME_SIZE];
	int64_t unmatched = 0, first = 0;
	thaw_free(d->groups);
	if (!(d->groups = thaw_alloc((size_t)d->count, sizeof(*d->groups))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++) {
		regmatch_t match[2];
		d->name(d, i, name, sizeof(name));
		bool found = regexec(expression, name, 2, match, 0) == 0;
		int which = found && expression->re_nsub > 0 && match[1].rm_so >= 0;
		if (found)
			d->groups[i] = thaw_group_digest(name + match[which].rm_so,
							 (size_t)(match[which].rm_eo - match[which].rm_so));
		if (d->groups[i] == 0 && unmatched++ == 0)
			first = i;
	}
	return note_unmatched(d, pattern, unmatched, first);
}

static int compare_digests(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* *sorted[*count]: the digests of the groups of d, each once. */
static thaw_status sort_groups(uint64_t **sorted, int64_t *count, const struct thaw_dataset *d)
{
	*count = 0;
	if (!(*sorted = thaw_alloc((size_t)d->count, sizeof(**sorted))))
		return THAW_RESOURCE;
	memcpy(*sorted, d->groups, (size_t)d->count * sizeof(**sorted));
	qsort(*sorted, (size_t)d->count, sizeof(**sorted), compare_digests);
	for (int64_t i = 0; i < d->count; i++)
		if ((*sorted)[i] != 0 && (*count == 0 || (*sorted)[*count - 1] != (*sorted)[i]))
			(*sorted)[(*count)++] = (*sorted)[i];
	return THAW_OK;
}

thaw_status thaw_groups_count(struct thaw_dataset *d)
{
	uint64_t *sorted;
	if (!d->groups)
		return THAW_OK;
	THAW_TRY(sort_groups(&sorted, &d->found->groups, d));
	thaw_free(sorted);
	return THAW_OK;
}

thaw_status thaw_groups_find(struct thaw_dataset *d, const struct thaw_dataset_options *options)
{
	regex_t expression;
	char why[128];
	const char *pattern = options->parts.group_by;
	if (!pattern)
		return thaw_groups_count(d);
	int error = regcomp(&expression, pattern, REG_EXTENDED);
	if (error != 0) {
		regerror(error, &expression, why, sizeof(why));
		return thaw_fail(THAW_USAGE,
				 "not an extended regular expression (%s): --group-by %s: an example is "
				 "'^([^_]+)_'",
				 why, pattern);
	}
	thaw_status status = match_names(d, &expression, pattern);
	regfree(&expression);
	return status == THAW_OK ? thaw_groups_count(d) : status;
}

thaw_status thaw_groups_compare(struct thaw_dataset *d, const struct thaw_dataset *train)
{
	uint64_t *sorted, *own;
	int64_t count, own_count, images = 0, first = 0, shared = 0;
	char name[NAME_SIZE];
	if (!d->groups || !train->groups)
		return THAW_OK;
	THAW_TRY(sort_groups(&sorted, &count, train));
	for (int64_t i = 0; i < d->count; i++)
		if (d->groups[i] != 0 &&
		    bsearch(&d->groups[i], sorted, (size_t)count, sizeof(*sorted), compare_digests) && images++ == 0)
			first = i;
	thaw_status status = images > 0 ? sort_groups(&own, &own_count, d) : THAW_OK;
	if (images == 0 || status != THAW_OK) {
		thaw_free(sorted);
		return status;
	}
	for (int64_t i = 0; i < own_count; i++)
		shared += bsearch(&own[i], sorted, (size_t)count, sizeof(*sorted), compare_digests) != NULL;
	thaw_free(own);
	thaw_free(sorted);
	d->name(d, first, name, sizeof(name));
	return thaw_found_note(
		d->found, thaw_format("%lld of the %lld groups of the %s images, with %lld images, are also in the "
				      "training images (first: %s): the result is better than on new groups",
				      (long long)shared, (long long)own_count, thaw_split_kind(d->found->split),
				      (long long)images, name));
}
