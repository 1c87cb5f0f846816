#include <math.h>

#include "src/check/features.h"
#include "src/check/findings.h"
#include "thaw/memory.h"

/* How probable another class must be, in relation to its mean for its own images. With 1 the method is that of the
 * paper, which misses a third of planted wrong labels where features separate the classes well. */
#define CONFIDENT 0.5

#define FEW_IMAGES 4 /* of a class: without one of them, little is known of it */

struct classes {
	int64_t *images;   /* [classes] */
	double *threshold; /* [classes] mean probability of the class for its own images */
};

static void measure_classes(struct classes *c, const float *probability, const int32_t *labels, int64_t count,
			    int classes)
{
	for (int64_t i = 0; i < count; i++) {
		c->images[labels[i]]++;
		c->threshold[labels[i]] += (double)probability[i * classes + labels[i]];
	}
	for (int k = 0; k < classes; k++)
		c->threshold[k] /= c->images[k] > 0 ? (double)c->images[k] : 1.0;
}

/* The most probable class that is not the label; -1: there is none. */
static int best_other(const float *p, int classes, int label)
{
	int best = -1;
	for (int k = 0; k < classes; k++)
		if (k != label && (best < 0 || p[k] > p[best]))
			best = k;
	return best;
}

static float score_label(const float *p, int label, int other, const struct classes *c)
{
	float score = p[label] / (p[label] + p[other]);
	bool confident = (double)p[other] >= CONFIDENT * c->threshold[other] && c->images[other] >= FEW_IMAGES;
	return confident ? score : fmaxf(score, THAW_FLAG);
}

thaw_status thaw_label_scores(const float *probability, const int32_t *labels, int64_t count, int classes, float *score,
			      int32_t *suggested)
{
	struct classes c = {thaw_alloc((size_t)classes, sizeof(int64_t)), thaw_alloc((size_t)classes, sizeof(double))};
	thaw_status status = c.images && c.threshold ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		measure_classes(&c, probability, labels, count, classes);
	for (int64_t i = 0; i < count && status == THAW_OK; i++) {
		const float *p = probability + i * classes;
		int other = best_other(p, classes, labels[i]);
		bool few = other < 0 || c.images[labels[i]] < FEW_IMAGES;
		score[i] = few ? NAN : score_label(p, labels[i], other, &c);
		suggested[i] = other;
	}
	thaw_free(c.images);
	thaw_free(c.threshold);
	return status;
}
