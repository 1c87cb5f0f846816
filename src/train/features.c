#include "src/train/features.h"

#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* A pending request, with the samples that were cached when it was submitted. */
struct pending {
	struct pending *next;
	int64_t count;
	struct thaw_size size;
	struct thaw_cache *cache; /* of the lane; NULL: none */
	uint64_t seed, epoch, view;
	bool *cached;      /* [count] */
	uint32_t *visits;  /* [count] earlier in this epoch */
	int64_t samples[]; /* [count] */
};

struct thaw_features {
	struct thaw_feature_parts parts;
	struct pending *first, *last;
	float *record;       /* one image's features */
	int64_t record_room; /* floats */
	int64_t room;        /* length of samples and keys */
	int64_t *samples;
	uint64_t *keys;
};

/* Room for an image's features at the trunk's size, and for a whole entry of the cache. */
static thaw_status reserve_record(struct thaw_features *f)
{
	int64_t floats = max_int64(thaw_executor_features(f->parts.trunk), f->parts.cached_floats);
	if (floats <= f->record_room)
		return THAW_OK;
	thaw_free(f->record);
	f->record_room = 0;
	f->record = thaw_alloc((size_t)floats, sizeof(*f->record));
	if (!f->record)
		return THAW_RESOURCE;
	f->record_room = floats;
	return THAW_OK;
}

thaw_status thaw_features_create(struct thaw_features **features, const struct thaw_feature_parts *parts)
{
	struct thaw_features *f = thaw_alloc(1, sizeof(*f));
	if (!f)
		return THAW_RESOURCE;
	f->parts = *parts;
	thaw_status status = reserve_record(f);
	if (status != THAW_OK) {
		thaw_features_destroy(f);
		return status;
	}
	*features = f;
	return THAW_OK;
}

static void pending_free(struct pending *w)
{
	thaw_free(w->cached);
	thaw_free(w->visits);
	thaw_free(w);
}

static struct pending *pop(struct thaw_features *f)
{
	struct pending *w = f->first;
	f->first = w->next;
	if (!f->first)
		f->last = NULL;
	return w;
}

void thaw_features_destroy(struct thaw_features *f)
{
	if (!f)
		return;
	while (f->first)
		pending_free(pop(f));
	thaw_free(f->record);
	thaw_free(f->samples);
	thaw_free(f->keys);
	thaw_free(f);
}

static int64_t entry_of(const struct thaw_features *f, const struct pending *w, int64_t i)
{
	return w->samples[i] / f->parts.lanes * f->parts.views + (int64_t)w->view;
}

static struct pending *new_pending(const struct thaw_features *f, const struct thaw_feature_request *r)
{
	size_t count = (size_t)r->count;
	struct pending *w = thaw_alloc(1, sizeof(*w) + count * sizeof(*w->samples));
	if (!w)
		return NULL;
	w->cached = thaw_alloc(count, sizeof(*w->cached));
	w->visits = thaw_alloc(count, sizeof(*w->visits));
	if (!w->cached || !w->visits) {
		pending_free(w);
		return NULL;
	}
	w->count = r->count;
	w->size = r->size;
	w->cache = f->parts.cache && f->parts.views > 0 ? f->parts.cache[r->lane - f->parts.first_lane] : NULL;
	w->seed = r->seed;
	w->epoch = r->epoch;
	w->view = r->view;
	for (int64_t i = 0; i < r->count; i++) {
		w->samples[i] = r->samples[i];
		w->visits[i] = r->visits ? r->visits[i] : 0;
		w->cached[i] = w->cache && thaw_cache_has(w->cache, entry_of(f, w, i), f->parts.dataset, r->samples[i]);
		if (w->cached[i])
			thaw_cache_fetch(w->cache, entry_of(f, w, i));
	}
	return w;
}

/* Requests the samples that are not cached from the loader, even if there are none: one batch per request. */
static thaw_status request_missing(struct thaw_features *f, const struct pending *w,
				   const struct thaw_feature_request *r)
{
	int64_t *missing = thaw_alloc((size_t)w->count, sizeof(*missing)), count = 0;
	uint32_t *visits = thaw_alloc((size_t)w->count, sizeof(*visits));
	for (int64_t i = 0; i < w->count && missing && visits; i++)
		if (!w->cached[i]) {
			visits[count] = f->parts.views > 0 ? 0 : w->visits[i]; /* fixed views are the same each time */
			missing[count++] = w->samples[i];
		}
	struct thaw_batch_request request = {
		.samples = missing,
		.count = count,
		.training = r->augment,
		.seed = r->seed,
		.epoch = r->epoch,
		.size = r->size,
		.view = r->view,
		.visits = visits,
	};
	thaw_status status = missing && visits ? thaw_loader_submit(f->parts.loader, &request) : THAW_RESOURCE;
	thaw_free(missing);
	thaw_free(visits);
	return status;
}

thaw_status thaw_features_submit(struct thaw_features *f, const struct thaw_feature_request *r)
{
	struct pending *w = new_pending(f, r);
	if (!w)
		return THAW_RESOURCE;
	thaw_status status = request_missing(f, w, r);
	if (status != THAW_OK) {
		pending_free(w);
		return status;
	}
	if (f->last)
		f->last->next = w;
	else
		f->first = w;
	f->last = w;
	return THAW_OK;
}

static thaw_status reserve(struct thaw_features *f, int64_t count)
{
	if (count <= f->room)
		return THAW_OK;
	thaw_free(f->samples);
	thaw_free(f->keys);
	f->room = 0;
	f->samples = thaw_alloc((size_t)count, sizeof(*f->samples));
	f->keys = thaw_alloc((size_t)count, sizeof(*f->keys));
	if (!f->samples || !f->keys)
		return THAW_RESOURCE;
	f->room = count;
	return THAW_OK;
}

static bool run_trunk(struct thaw_features *f, const float *image, size_t floats)
{
	memcpy(thaw_executor_input(f->parts.trunk), image, floats * sizeof(float));
	return thaw_executor_run_trunk(f->parts.trunk, f->record);
}

/* Brings both executors to the size of the batch, unless it is empty. */
static thaw_status set_size(struct thaw_features *f, const struct pending *w, struct thaw_executor *tail)
{
	if (w->count == 0)
		return THAW_OK;
	THAW_TRY(thaw_executor_resize(f->parts.trunk, w->size.height, w->size.width));
	THAW_TRY(thaw_executor_resize(tail, w->size.height, w->size.width));
	return reserve_record(f);
}

/* Sample by sample in the order of the request; the loader's batch has the same order. THAW_UNFINISHED when the trunk
 * is abandoned. */
static thaw_status collect(struct thaw_features *f, const struct pending *w, const struct thaw_batch *fresh,
			   struct thaw_executor *tail, struct thaw_feature_batch *batch)
{
	size_t image = thaw_size_floats(w->size);
	bool fits = thaw_executor_features(f->parts.trunk) <= f->parts.cached_floats;
	int64_t next = 0;
	for (int64_t i = 0; i < w->count; i++) {
		int64_t sample = w->samples[i];
		if (w->cached[i]) {
			THAW_TRY(thaw_cache_get(w->cache, entry_of(f, w, i), f->record));
			thaw_contents_note(f->parts.contents, sample, thaw_cache_content(w->cache, entry_of(f, w, i)));
		} else if (next < fresh->count && fresh->samples[next] == sample) {
			if (!run_trunk(f, fresh->images + (size_t)next * image, image))
				return thaw_fail(THAW_UNFINISHED, "asked to stop while features were computed");
			thaw_contents_note(f->parts.contents, sample, fresh->fingerprints[next].content);
			if (w->cache && fits)
				thaw_cache_put(w->cache, entry_of(f, w, i), &fresh->fingerprints[next], f->record);
			next++;
		} else {
			batch->damaged++;
			continue;
		}
		thaw_executor_set_features(tail, batch->count, f->record);
		f->samples[batch->count] = sample;
		f->keys[batch->count++] = thaw_sample_key(w->seed, thaw_visit(w->epoch, w->visits[i]), sample);
	}
	return THAW_OK;
}

thaw_status thaw_features_load_next(struct thaw_features *f, struct thaw_executor *tail,
				    struct thaw_feature_batch *batch)
{
	if (!f->first)
		return thaw_fail(THAW_SOFTWARE, "thaw_features_load_next: no batch was submitted");
	struct pending *w = pop(f);
	struct thaw_batch *fresh;
	*batch = (struct thaw_feature_batch){0};
	thaw_status status = thaw_loader_next(f->parts.loader, &fresh);
	if (status == THAW_OK) {
		status = set_size(f, w, tail);
		if (status == THAW_OK)
			status = reserve(f, w->count);
		if (status == THAW_OK) {
			batch->fresh = thaw_damage_note(f->parts.damage, fresh);
			status = collect(f, w, fresh, tail, batch);
		}
		thaw_loader_release(f->parts.loader, fresh);
	}
	batch->samples = f->samples;
	batch->keys = f->keys;
	pending_free(w);
	return status;
}

void thaw_features_drop(struct thaw_features *f)
{
	while (f->first) {
		struct thaw_batch *left;
		pending_free(pop(f));
		if (thaw_loader_next(f->parts.loader, &left) == THAW_OK)
			thaw_loader_release(f->parts.loader, left);
	}
}
