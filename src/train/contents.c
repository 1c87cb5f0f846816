#include "src/train/contents.h"

#include "src/base/minmax.h"
#include "thaw/digest.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

/* The position of the first sample of a lane: the first samples % lanes lanes have one sample more. */
static int64_t lane_begin(int64_t samples, int lanes, int lane)
{
	return lane * (samples / lanes) + min_int64(lane, samples % lanes);
}

void thaw_contents_part(int64_t samples, int lanes, int ranks, int rank, int64_t *begin, int64_t *end)
{
	*begin = lane_begin(samples, lanes, thaw_lanes_first(lanes, ranks, rank));
	*end = lane_begin(samples, lanes, thaw_lanes_first(lanes, ranks, rank + 1));
}

int64_t thaw_contents_sample(const struct thaw_contents *c, int64_t position)
{
	int64_t each = c->samples / c->lanes, longer = c->samples % c->lanes;
	int64_t lane = position < longer * (each + 1) ? position / (each + 1)
						      : longer + (position - longer * (each + 1)) / each;
	return thaw_lane_sample(position - lane_begin(c->samples, c->lanes, (int)lane), c->lanes, (int)lane);
}

static thaw_status create(struct thaw_contents **contents, int64_t samples, int lanes, int64_t begin, int64_t end)
{
	struct thaw_contents *c = thaw_alloc(1, sizeof(*c));
	if (!c)
		return THAW_RESOURCE;
	c->samples = samples;
	c->lanes = lanes;
	c->begin = begin;
	c->end = end;
	c->digest = thaw_alloc((size_t)(c->end - c->begin), sizeof(*c->digest));
	*contents = c;
	return c->digest ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_contents_create(struct thaw_contents **contents, int64_t samples, int lanes, int ranks, int rank)
{
	int64_t begin, end;
	thaw_contents_part(samples, lanes, ranks, rank, &begin, &end);
	return create(contents, samples, lanes, begin, end);
}

/* samples * rank could exceed 64 bits only with more samples than fit into memory. */
thaw_status thaw_contents_create_even(struct thaw_contents **contents, int64_t samples, int lanes, int ranks, int rank)
{
	return create(contents, samples, lanes, samples * rank / ranks, samples * (rank + 1) / ranks);
}

void thaw_contents_destroy(struct thaw_contents *c)
{
	if (!c)
		return;
	thaw_free(c->digest);
	thaw_free(c);
}

static void note_change(struct thaw_contents *c, int64_t sample, uint64_t was, uint64_t is)
{
	if (c->change_count < CONTENTS_CHANGES)
		c->change[c->change_count] = (struct content_change){sample, was, is, c->phase, c->epoch};
	c->change_count++;
}

void thaw_contents_note(struct thaw_contents *c, int64_t sample, uint64_t content)
{
	if (!c || content == 0)
		return;
	int lane = (int)(sample % c->lanes);
	uint64_t *digest = &c->digest[lane_begin(c->samples, c->lanes, lane) + sample / c->lanes - c->begin];
	if (*digest == content)
		return;
	if (*digest != 0)
		note_change(c, sample, *digest, content);
	*digest = content;
	c->dirty = true;
}

uint64_t thaw_contents_sum(const struct thaw_contents *c, int64_t *unread)
{
	uint64_t sum = 0;
	for (int64_t i = c->begin; i < c->end; i++) {
		uint64_t image[] = {(uint64_t)thaw_contents_sample(c, i), c->digest[i - c->begin]};
		*unread += image[1] == 0;
		sum += thaw_digest(image, sizeof(image), 0);
	}
	return sum;
}
