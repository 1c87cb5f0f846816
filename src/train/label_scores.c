#include "src/train/label_scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/ops/losses.h"
#include "thaw/lanes.h"
#include "thaw/memory.h"

#define NO_THRESHOLD 0.5f /* of a label that no image has */

/* The score of one image for one label. */
struct score {
	float logit;
	bool present;
};

/* Images of the lanes [first, end). */
static int64_t count_images(const struct thaw_label_scores *s, int first, int end)
{
	int64_t images = 0;
	for (int lane = first; lane < end; lane++)
		images += thaw_lane_count(s->count, s->lanes, lane);
	return images;
}

thaw_status thaw_label_scores_open(struct thaw_label_scores *s, const struct thaw_dataset *dataset, int lanes,
				   const struct thaw_comm *comm)
{
	*s = (struct thaw_label_scores){.classes = dataset->classes,
					.lanes = lanes,
					.first_lane = thaw_lanes_first(lanes, comm->size, comm->rank),
					.end_lane = thaw_lanes_first(lanes, comm->size, comm->rank + 1),
					.count = dataset->count};
	for (int rank = 0; rank < comm->size; rank++)
		s->most = max_int64(s->most, count_images(s, thaw_lanes_first(lanes, comm->size, rank),
							  thaw_lanes_first(lanes, comm->size, rank + 1)));
	size_t values = (size_t)count_images(s, s->first_lane, s->end_lane) * (size_t)s->classes;
	s->logits = thaw_alloc(values, sizeof(*s->logits));
	if (!s->logits)
		return THAW_RESOURCE;
	for (size_t i = 0; i < values; i++)
		s->logits[i] = NAN;
	return THAW_OK;
}

void thaw_label_scores_close(struct thaw_label_scores *s)
{
	thaw_free(s->logits);
	*s = (struct thaw_label_scores){0};
}

void thaw_label_scores_put(struct thaw_label_scores *s, int64_t sample, const float *logits)
{
	int lane = (int)(sample % s->lanes);
	int64_t at = count_images(s, s->first_lane, lane) + sample / s->lanes;
	memcpy(s->logits + at * s->classes, logits, (size_t)s->classes * sizeof(*logits));
}

static int by_falling_logit(const void *a, const void *b)
{
	float x = ((const struct score *)a)->logit, y = ((const struct score *)b)->logit;
	return (x < y) - (x > y);
}

/* The known scores of label c among those gathered of all ranks, (size,most), sorted. Returns their number. */
static int64_t collect(const struct thaw_label_scores *s, const struct thaw_comm *comm, const struct thaw_dataset *d,
		       int c, const float *gathered, struct score *scores)
{
	int64_t n = 0;
	for (int rank = 0; rank < comm->size; rank++) {
		const float *at = gathered + rank * s->most;
		int end = thaw_lanes_first(s->lanes, comm->size, rank + 1);
		for (int lane = thaw_lanes_first(s->lanes, comm->size, rank); lane < end; lane++)
			for (int64_t k = 0; k < thaw_lane_count(s->count, s->lanes, lane); k++, at++) {
				float target = d->targets[thaw_lane_sample(k, s->lanes, lane) * d->classes + c];
				if (!isnan(*at) && !isnan(target))
					scores[n++] = (struct score){*at, target > 0.5f};
			}
	}
	qsort(scores, (size_t)n, sizeof(*scores), by_falling_logit);
	return n;
}

/* Average precision: the sum over the distinct scores, falling, of the precision of what scores at least that, times
 * the gain in recall (as scikit-learn's average_precision_score). *threshold: half way between the two scores that
 * separate predicted from other images with the best F1; of several, the highest. */
static double measure_order(const struct score *scores, int64_t n, double present, float *threshold)
{
	double precision = 0.0, correct = 0.0, counted = 0.0, best = 0.0;
	*threshold = NO_THRESHOLD;
	for (int64_t i = 0; i < n && present > 0.0; i++) {
		correct += scores[i].present;
		if (i + 1 < n && scores[i + 1].logit == scores[i].logit)
			continue;
		precision += correct / (double)(i + 1) * (correct - counted);
		counted = correct;
		double f1 = 2.0 * correct / ((double)(i + 1) + present);
		double below = i + 1 < n ? scores[i + 1].logit : scores[i].logit - 1.0;
		if (f1 > best) {
			best = f1;
			*threshold = (float)thaw_sigmoid(0.5 * (scores[i].logit + below));
		}
	}
	return thaw_fraction(precision, present);
}

static void measure_label(const struct score *scores, int64_t n, const float *threshold, double *sums)
{
	float best;
	memset(sums, 0, LABEL_SUMS * sizeof(*sums));
	sums[LABEL_KNOWN] = (double)n;
	for (int64_t i = 0; i < n; i++)
		sums[LABEL_PRESENT] += scores[i].present;
	sums[LABEL_PRECISION] = measure_order(scores, n, sums[LABEL_PRESENT], &best);
	best = threshold ? *threshold : best;
	sums[LABEL_THRESHOLD] = best;
	for (int64_t i = 0; i < n && (float)thaw_sigmoid(scores[i].logit) >= best; i++) {
		sums[LABEL_PREDICTED] += 1.0;
		sums[LABEL_CORRECT] += scores[i].present;
	}
}

/* mine[most], all (size,most) and scores[count] are working memory; the last two on rank 0. */
static thaw_status gather_labels(const struct thaw_label_scores *s, struct thaw_comm *comm,
				 const struct thaw_measure *m, float *mine, float *all, struct score *scores,
				 double *sums)
{
	int64_t own = count_images(s, s->first_lane, s->end_lane);
	for (int c = 0; c < s->classes; c++) {
		for (int64_t i = 0; i < own; i++)
			mine[i] = s->logits[i * s->classes + c];
		THAW_TRY(comm->gather(comm, mine, (size_t)s->most * sizeof(*mine), all));
		if (comm->rank != 0)
			continue;
		int64_t n = collect(s, comm, m->dataset, c, all, scores);
		measure_label(scores, n, m->thresholds ? &m->thresholds[c] : NULL, thaw_label_sums(sums, c));
	}
	return comm->broadcast(comm, thaw_label_sums(sums, 0), (size_t)s->classes * LABEL_SUMS * sizeof(*sums), 0);
}

thaw_status thaw_label_scores_measure(const struct thaw_label_scores *s, struct thaw_comm *comm,
				      const struct thaw_measure *m, double *sums)
{
	size_t most = (size_t)s->most, ranks = comm->rank == 0 ? (size_t)comm->size : 0;
	float *mine = thaw_alloc(most, sizeof(*mine)), *all = thaw_alloc(ranks * most, sizeof(*all));
	struct score *scores = thaw_alloc(comm->rank == 0 ? (size_t)s->count : 0, sizeof(*scores));
	thaw_status status = thaw_comm_agree(comm, mine && all && scores ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = gather_labels(s, comm, m, mine, all, scores, sums);
	thaw_free(mine);
	thaw_free(all);
	thaw_free(scores);
	return status;
}
