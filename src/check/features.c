#include "src/check/features.h"

#include <math.h>

#include "src/advise/activations.h"
#include "src/advise/probe.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* A probe is of so many images at most: its time grows with their number times the square of the features'. Each part
 * has every n-th image, and so about the same classes. */
#define PART          8192
#define DEFAULT_LANES 8

static thaw_status load(struct thaw_model **model, const struct thaw_check_options *o)
{
	struct thaw_model *m = NULL;
	THAW_TRY(thaw_model_load_key(&m, o->model, o->weights_key, 0, (uint64_t)o->seed));
	thaw_graph_set_precision(m->graph, o->precision);
	thaw_status status = thaw_model_set_preprocess(m, o->size, &o->images);
	if (status == THAW_OK)
		*model = m;
	else
		thaw_model_destroy(m);
	return status;
}

thaw_status thaw_check_load_model(struct thaw_model **model, struct thaw_comm *comm,
				  const struct thaw_check_options *options)
{
	struct thaw_model *m = NULL;
	thaw_status status = thaw_comm_agree(comm, load(&m, options));
	if (status == THAW_OK)
		status = thaw_model_same(comm, m);
	if (status == THAW_OK)
		*model = m;
	else
		thaw_model_destroy(m);
	return status;
}

static bool has_two_classes(const struct thaw_activations *a)
{
	for (int64_t i = 1; i < a->count; i++)
		if (a->labels[i] != a->labels[0])
			return true;
	return false;
}

/* Rank 0: the scores of the images of one part. sample[]: their positions in the whole dataset. */
static thaw_status score_part(struct thaw_feature_scores *s, const struct thaw_activations *a, const int64_t *sample,
			      int classes)
{
	const struct thaw_feature_table t = {a->count, a->width[0], a->features[0], a->labels, classes};
	struct thaw_probe probe = {0};
	size_t count = (size_t)a->count;
	float *probability = thaw_alloc(count * (size_t)classes, sizeof(*probability));
	float *label = thaw_alloc(count, sizeof(*label)), *outlier = thaw_alloc(count, sizeof(*outlier));
	int32_t *suggested = thaw_alloc(count, sizeof(*suggested));
	bool labels = has_two_classes(a);
	thaw_status status = probability && label && outlier && suggested ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && labels)
		status = thaw_probe_fit_left_out(&probe, &t, probability);
	if (status == THAW_OK && labels)
		status = thaw_label_scores(probability, a->labels, a->count, classes, label, suggested);
	if (status == THAW_OK)
		status = thaw_outlier_scores(&t, outlier);
	for (int64_t i = 0; i < a->count && status == THAW_OK; i++) {
		int64_t image = sample[a->samples[i]];
		s->label[image] = labels ? label[i] : NAN;
		s->suggested[image] = labels ? suggested[i] : -1;
		s->outlier[image] = outlier[i];
	}
	s->probe += probe.accuracy * (double)a->count;
	thaw_probe_release(&probe);
	thaw_free(probability);
	thaw_free(label);
	thaw_free(outlier);
	thaw_free(suggested);
	return status;
}

/* One part: samples[first], samples[first + step], ... */
static thaw_status measure_part(struct thaw_feature_scores *s, struct thaw_comm *comm, const struct thaw_model *model,
				const struct thaw_dataset *dataset, const int64_t *part, int64_t count, int threads,
				const struct thaw_callbacks *callbacks)
{
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_activations a = {0};
	struct thaw_dataset images = {0};
	int cuts, lanes = max_int(comm->size, DEFAULT_LANES);
	thaw_status status = thaw_dataset_subset(&images, dataset, part, count);
	if (status == THAW_OK)
		status = thaw_cuts_choose(model->graph, model->preprocess.size, cut, &cuts);
	status = thaw_comm_agree(comm, status);
	if (status == THAW_OK)
		status = thaw_activations_collect(&a, comm, model, cut, 1, &images, lanes, threads, callbacks);
	if (status == THAW_OK)
		status = thaw_comm_agree(
			comm, comm->rank == 0 && a.count > 0 ? score_part(s, &a, part, dataset->classes) : THAW_OK);
	thaw_activations_release(&a);
	thaw_dataset_close(&images);
	return status;
}

static thaw_status open_scores(struct thaw_feature_scores *s, int64_t images)
{
	s->label = thaw_alloc((size_t)images, sizeof(*s->label));
	s->suggested = thaw_alloc((size_t)images, sizeof(*s->suggested));
	s->outlier = thaw_alloc((size_t)images, sizeof(*s->outlier));
	if (!s->label || !s->suggested || !s->outlier)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < images; i++) {
		s->label[i] = s->outlier[i] = NAN;
		s->suggested[i] = -1;
	}
	return THAW_OK;
}

thaw_status thaw_feature_scores_measure(struct thaw_feature_scores *scores, struct thaw_comm *comm,
					const struct thaw_model *model, const struct thaw_dataset *dataset,
					const int64_t *samples, int64_t count, int decode_threads,
					const struct thaw_callbacks *callbacks)
{
	struct thaw_feature_scores s = {0};
	const int64_t parts = (count + PART - 1) / PART;
	int64_t *part = thaw_alloc(PART, sizeof(*part));
	thaw_status status = part ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK && comm->rank == 0)
		status = open_scores(&s, dataset->count);
	status = thaw_comm_agree(comm, status);
	for (int64_t p = 0; p < parts && status == THAW_OK; p++) {
		int64_t n = 0;
		for (int64_t i = p; i < count; i += parts)
			part[n++] = samples[i];
		status = measure_part(&s, comm, model, dataset, part, n, decode_threads, callbacks);
	}
	thaw_free(part);
	s.probe /= count > 0 ? (double)count : 1.0;
	if (status == THAW_OK)
		*scores = s;
	else
		thaw_feature_scores_release(&s);
	return status;
}

void thaw_feature_scores_release(struct thaw_feature_scores *scores)
{
	thaw_free(scores->label);
	thaw_free(scores->suggested);
	thaw_free(scores->outlier);
	*scores = (struct thaw_feature_scores){0};
}
