/* thaw_knn: each rank searches its share of the reference; rank 0 merges what they found, and counts. */
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/embed/feature_chunks.h"
#include "src/embed/neighbours.h"
#include "src/train/damage.h"
#include "thaw/embed.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define TOP 5

struct search {
	struct thaw_comm *comm;
	int k, classes;
	struct thaw_vectors share;           /* of this rank: every size-th image of the reference */
	int64_t reference;                   /* readable images of the reference, of all ranks */
	struct thaw_neighbour *mine, *all;   /* (THAW_CHUNK,k) of this rank; rank 0: (size,THAW_CHUNK,k) */
	double *vote;                        /* [classes] */
	int64_t images, damaged, top1, top5; /* rank 0 */
	int64_t *class_images, *class_hits;  /* [classes] */
};

static thaw_status open_search(struct search *s, int64_t images)
{
	const size_t share = (size_t)(images / s->comm->size + 1), classes = (size_t)s->classes;
	s->share.labels = thaw_alloc(share, sizeof(*s->share.labels));
	s->share.samples = thaw_alloc(share, sizeof(*s->share.samples));
	s->mine = thaw_alloc(THAW_CHUNK * (size_t)s->k, sizeof(*s->mine));
	s->all =
		thaw_alloc(s->comm->rank == 0 ? THAW_CHUNK * (size_t)s->k * (size_t)s->comm->size : 1, sizeof(*s->all));
	s->vote = thaw_alloc(classes, sizeof(*s->vote));
	s->class_images = thaw_alloc(classes, sizeof(*s->class_images));
	s->class_hits = thaw_alloc(classes, sizeof(*s->class_hits));
	return s->share.labels && s->share.samples && s->mine && s->all && s->vote && s->class_images && s->class_hits
		       ? THAW_OK
		       : THAW_RESOURCE;
}

static void close_search(struct search *s)
{
	thaw_free(s->share.values);
	thaw_free(s->share.labels);
	thaw_free(s->share.samples);
	thaw_free(s->mine);
	thaw_free(s->all);
	thaw_free(s->vote);
	thaw_free(s->class_images);
	thaw_free(s->class_hits);
}

/* Keeps this rank's images of a chunk that begins at image `first`. images: of the whole reference. */
static thaw_status keep(struct search *s, const struct thaw_activations *a, int64_t first, int64_t images)
{
	struct thaw_vectors *v = &s->share;
	v->width = a->width[0];
	if (!v->values)
		v->values = thaw_alloc((size_t)(images / s->comm->size + 1) * (size_t)v->width, sizeof(*v->values));
	if (!v->values)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < a->count; i++) {
		if ((first + a->samples[i]) % s->comm->size != s->comm->rank)
			continue;
		float *row = v->values + v->count * v->width;
		memcpy(row, a->features[0] + i * v->width, (size_t)v->width * sizeof(*row));
		thaw_unit_rows(row, 1, v->width);
		v->labels[v->count] = a->labels[i];
		v->samples[v->count++] = first + a->samples[i];
	}
	s->reference += a->count;
	return THAW_OK;
}

static thaw_status load_reference(struct search *s, const struct thaw_feature_chunks *c, double max_damaged)
{
	for (int64_t first = 0; first < c->dataset->count; first += THAW_CHUNK) {
		struct thaw_activations a = {0};
		THAW_TRY(thaw_feature_chunk(c, first, &a));
		thaw_status status = thaw_comm_agree(s->comm, keep(s, &a, first, c->dataset->count));
		thaw_activations_release(&a);
		THAW_TRY(status);
	}
	const int64_t damaged = c->dataset->count - s->reference, limit = thaw_damage_limit(c->dataset, max_damaged);
	if (damaged > limit)
		return thaw_fail_damaged(c->dataset, damaged, limit);
	if (s->reference < s->k)
		return thaw_fail(THAW_CONFIG, "%d neighbours of %lld images: --knn: give a smaller number", s->k,
				 (long long)s->reference);
	return THAW_OK;
}

/* Rank 0: how many classes have more votes than `label`; of equal ones the first is more. */
static int place_of(const struct search *s, int32_t label)
{
	int place = 0;
	for (int c = 0; c < s->classes; c++)
		place += s->vote[c] > s->vote[label] || (s->vote[c] == s->vote[label] && c < label);
	return place;
}

/* Rank 0: image i of the chunk, of this class. */
static void count(struct search *s, int64_t i, int32_t label)
{
	struct thaw_neighbour *near = s->all + i * s->k;
	for (int r = 1; r < s->comm->size; r++)
		thaw_merge_nearest(near, near + (ptrdiff_t)r * THAW_CHUNK * s->k, s->k);
	thaw_vote(s->vote, s->classes, near, s->k);
	const int place = place_of(s, label);
	s->images++;
	s->top1 += place == 0;
	s->top5 += place < TOP;
	s->class_images[label]++;
	s->class_hits[label] += place == 0;
}

static thaw_status classify(struct search *s, struct thaw_activations *a)
{
	thaw_unit_rows(a->features[0], a->count, a->width[0]);
	for (int64_t i = 0; i < a->count; i++)
		thaw_nearest(s->mine + i * s->k, s->k, &s->share, a->features[0] + i * a->width[0]);
	THAW_TRY(s->comm->gather(s->comm, s->mine, THAW_CHUNK * (size_t)s->k * sizeof(*s->mine), s->all));
	for (int64_t i = 0; i < a->count && s->comm->rank == 0; i++)
		count(s, i, a->labels[i]);
	return THAW_OK;
}

static thaw_status classify_all(struct search *s, const struct thaw_feature_chunks *c)
{
	for (int64_t first = 0; first < c->dataset->count; first += THAW_CHUNK) {
		struct thaw_activations a = {0};
		THAW_TRY(thaw_feature_chunk(c, first, &a));
		thaw_status status = classify(s, &a);
		s->damaged += a.damaged;
		thaw_activations_release(&a);
		THAW_TRY(status);
	}
	return THAW_OK;
}

/* As in the metrics of thaw_evaluate. */
static json_t *per_class(const struct search *s, const struct thaw_dataset *d)
{
	json_t *classes = json_object();
	for (int c = 0; c < s->classes; c++) {
		double images = (double)s->class_images[c];
		json_t *row = json_pack("{s:I, s:f}", "images", (json_int_t)images, "accuracy",
					images > 0 ? (double)s->class_hits[c] / images : 0.0);
		json_t *name = thaw_report_string(d->class_names[c]);
		json_object_set_new(classes, name ? json_string_value(name) : "", row);
		json_decref(name);
	}
	return classes;
}

static thaw_status report(const struct search *s, const struct thaw_dataset *d, double max_damaged, json_t **result)
{
	const int64_t limit = thaw_damage_limit(d, max_damaged);
	if (s->damaged > limit || s->images == 0)
		return thaw_fail_damaged(d, s->damaged, limit);
	*result = json_pack("{s:i, s:I, s:I, s:I, s:f, s:f, s:o}", "knn", s->k, "images", (json_int_t)s->images,
			    "damaged", (json_int_t)s->damaged, "reference_images", (json_int_t)s->reference, "top1",
			    (double)s->top1 / (double)s->images, "top5", (double)s->top5 / (double)s->images,
			    "per_class", per_class(s, d));
	return *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the result");
}

static thaw_status check(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *reference,
			 const struct thaw_dataset *dataset)
{
	THAW_TRY(thaw_comm_same_digest(comm, thaw_dataset_digest(reference) ^ thaw_dataset_digest(dataset),
				       "set of images", "give every rank the same --data"));
	THAW_TRY(thaw_model_same(comm, model));
	if (reference->task != THAW_TASK_CLASS)
		return thaw_fail(THAW_CONFIG,
				 "images without one class each: --data: --knn is for one class per image");
	return dataset->count > 0 ? THAW_OK : thaw_fail(THAW_DATA, "no images: --data: add images");
}

thaw_status thaw_knn(struct thaw_comm *comm, const struct thaw_model *model, const struct thaw_dataset *reference,
		     const struct thaw_dataset *dataset, int k, const struct thaw_embed_options *options,
		     const struct thaw_callbacks *callbacks, json_t **result)
{
	struct search s = {.comm = comm, .k = k, .classes = reference->classes};
	const struct thaw_feature_chunks of = {comm, model, reference, callbacks, options->decode_threads};
	const struct thaw_feature_chunks to = {comm, model, dataset, callbacks, options->decode_threads};
	THAW_TRY(check(comm, model, reference, dataset));
	thaw_status status = thaw_comm_agree(comm, open_search(&s, reference->count));
	if (status == THAW_OK)
		status = load_reference(&s, &of, options->max_damaged);
	if (status == THAW_OK)
		status = classify_all(&s, &to);
	if (status == THAW_OK)
		status = thaw_comm_agree(comm,
					 comm->rank == 0 ? report(&s, dataset, options->max_damaged, result) : THAW_OK);
	close_search(&s);
	return status;
}
