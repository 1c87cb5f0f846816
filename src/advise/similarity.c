#include "src/advise/similarity.h"

#include <math.h>

#include "thaw/memory.h"

#define SCALE_SHARE 1e-2 /* channels whose scale is below this fraction of the layer's largest are ignored as dead */

/* Over its training data, the output of a batch norm has mean `shift` and standard deviation |scale| in each channel.
 * The distance of a layer is the 2-Wasserstein distance between that normal distribution and the one of its output now,
 * in units of |scale|, averaged over channels. */
static double layer_distance(const struct thaw_norm_statistics *n)
{
	double largest = 0.0, sum = 0.0;
	int64_t alive = 0;
	for (int64_t c = 0; c < n->channels; c++)
		largest = fmax(largest, fabs((double)n->scale[c]));
	for (int64_t c = 0; c < n->channels; c++) {
		double scale = fabs((double)n->scale[c]);
		if (scale <= SCALE_SHARE * largest)
			continue;
		double variance = fmax(n->square[c] - n->mean[c] * n->mean[c], 0.0);
		double shift = (n->mean[c] - (double)n->shift[c]) / scale, spread = sqrt(variance) / scale - 1.0;
		sum += sqrt(shift * shift + spread * spread);
		alive++;
	}
	return alive > 0 ? sum / (double)alive : 0.0;
}

/* Mean entropy of the class probabilities divided by its maximum: the distance of a network without batch norms. */
static double relative_entropy(const struct thaw_activations *activations)
{
	double sum = 0.0;
	if (activations->source_classes < 2 || activations->count == 0)
		return 1.0;
	for (int64_t i = 0; i < activations->count * activations->source_classes; i++) {
		double p = (double)activations->probability[i];
		sum -= p > 0.0 ? p * log(p) : 0.0;
	}
	return sum / (double)activations->count / log((double)activations->source_classes);
}

static double mean_confidence(const struct thaw_activations *activations)
{
	double sum = 0.0;
	for (int64_t i = 0; i < activations->count; i++) {
		float most = 0.0f;
		for (int64_t c = 0; c < activations->source_classes; c++)
			most = fmaxf(most, activations->probability[i * activations->source_classes + c]);
		sum += (double)most;
	}
	return activations->count > 0 ? sum / (double)activations->count : 0.0;
}

static double mean_norm(const float *features, int64_t count, int64_t width)
{
	double sum = 0.0;
	for (int64_t i = 0; i < count; i++) {
		double square = 0.0;
		for (int64_t j = 0; j < width; j++)
			square += (double)features[i * width + j] * (double)features[i * width + j];
		sum += sqrt(square);
	}
	return count > 0 ? sum / (double)count : 0.0;
}

thaw_status thaw_similarity_measure(struct thaw_similarity *s, const struct thaw_activations *activations)
{
	struct thaw_similarity made = {.layers = activations->norm_count, .from_norms = activations->norm_count > 0};
	made.layer = thaw_alloc((size_t)activations->norm_count + 1, sizeof(*made.layer));
	if (!made.layer)
		return THAW_RESOURCE;
	double sum = 0.0;
	for (int k = 0; k < activations->norm_count; k++)
		sum += made.layer[k] = layer_distance(&activations->norms[k]);
	made.distance = made.from_norms ? sum / activations->norm_count : relative_entropy(activations);
	made.confidence = mean_confidence(activations);
	made.feature_norm = activations->width[0] > 0
				    ? mean_norm(activations->features[0], activations->count, activations->width[0])
				    : 0.0;
	*s = made;
	return THAW_OK;
}

void thaw_similarity_release(struct thaw_similarity *s)
{
	thaw_free(s->layer);
	*s = (struct thaw_similarity){0};
}
