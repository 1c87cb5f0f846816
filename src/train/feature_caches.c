/* The feature caches of a phase: one per lane, for the test images and for the training images. */
#include <string.h>
#include <sys/stat.h>

#include <cblas.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/version.h"

#define BLOCK 512.0 /* bytes that st_blocks counts */

static uint64_t digest_text(const char *text, uint64_t seed)
{
	return thaw_digest(text, strlen(text), seed);
}

/* Of all that the features depend on: program, BLAS kernel and threads, images (by name), views, weights. */
static uint64_t trunk_digest(const struct run *r, const struct thaw_dataset *dataset)
{
	const struct thaw_graph *g = r->phase.graph;
	int cut = thaw_graph_cut(g);
	uint64_t numbers[] = {(uint64_t)r->options.seed, (uint64_t)r->options.lanes, thaw_dataset_digest(dataset),
			      (uint64_t)cut, (uint64_t)openblas_get_num_threads()};
	uint64_t d = digest_text(thaw_build(), 0);
	d = digest_text(openblas_get_corename(), d);
	d = digest_text(r->model->variant, d);
	d = thaw_digest(numbers, sizeof(numbers), d);
	d = thaw_digest(&r->preprocess, sizeof(r->preprocess), d);
	d = thaw_digest(&r->augment, sizeof(r->augment), d);
	d = thaw_digest(&r->sizes, sizeof(r->sizes), d);
	for (int i = 1; i < cut; i++) {
		const struct thaw_node *n = &g->nodes[i];
		d = digest_text(n->op->name, d);
		d = digest_text(thaw_precision_name(n->attrs.precision), d);
		for (int k = 0; k < n->param_count; k++) {
			const struct thaw_param *p = &g->params[n->params[k]];
			d = thaw_digest(p->data, (size_t)thaw_shape_count(&p->shape) * sizeof(float), d);
		}
	}
	return d;
}

/* The file of a lane's cache in --cache-dir; NULL if out of memory. */
static char *cache_path(const struct run *r, const char *split, int lane)
{
	return thaw_format("%s/%s-%s-%05d-of-%05d.features", r->options.cache_dir, run_phase_options(r)->name, split,
			   lane, r->options.lanes);
}

/* Bytes on disk of the cache files that an earlier start left to this rank. */
static thaw_status measure_files(const struct run *r, double *held)
{
	static const char *const splits[] = {"test", "train"};
	for (int lane = r->first_lane; lane < r->end_lane && r->options.cache_dir; lane++)
		for (int i = 0; i < 2; i++) {
			struct stat st;
			char *path = cache_path(r, splits[i], lane);
			if (!path)
				return THAW_RESOURCE;
			if (stat(path, &st) == 0)
				*held += (double)st.st_blocks * BLOCK;
			thaw_free(path);
		}
	return THAW_OK;
}

/* One cache of a dataset per lane of this rank, of at most *bytes together. Subtracts the bytes used from *bytes. */
static thaw_status open_caches(struct run *r, struct thaw_cache **caches, const struct thaw_dataset *dataset,
			       const char *split, int views, size_t *bytes)
{
	int lanes = r->end_lane - r->first_lane;
	size_t each = *bytes / (size_t)lanes, used = 0;
	uint64_t digest = r->options.cache_dir ? trunk_digest(r, dataset) : 0;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		struct thaw_cache_options o = {
			.entries = thaw_lane_count(dataset->count, r->options.lanes, lane) * views,
			.features = thaw_executor_features(r->phase.trunk_executor),
			.dtype = r->options.cache_dtype,
			.bytes = each,
			.digest = digest,
		};
		char *path = r->options.cache_dir ? cache_path(r, split, lane) : NULL;
		if (r->options.cache_dir && !path)
			return THAW_RESOURCE;
		o.path = path;
		thaw_status status = thaw_cache_create(&caches[lane - r->first_lane], &o);
		thaw_free(path);
		THAW_TRY(status);
		used += min_size(thaw_cache_full_bytes(&o), each);
	}
	*bytes -= used;
	return THAW_OK;
}

static int64_t evaluations(const struct run *r)
{
	return (run_phase_options(r)->epochs + r->options.eval_every - 1) / r->options.eval_every;
}

/* *caches: a new array [lanes of this rank] of open caches. */
static thaw_status create_caches(struct run *r, struct thaw_cache ***caches, const struct thaw_dataset *dataset,
				 const char *split, int views, size_t *bytes)
{
	*caches = thaw_alloc((size_t)(r->end_lane - r->first_lane), sizeof(**caches));
	return *caches ? open_caches(r, *caches, dataset, split, views, bytes) : THAW_RESOURCE;
}

/* Test images have one view, training images --views of them. There is no cache where each view is used only once. */
thaw_status run_open_caches(struct run *r)
{
	size_t bytes;
	double held = 0.0;
	if (r->options.cache_dir && strcmp(r->options.cache, "off") != 0)
		THAW_TRY(thaw_make_directory(r->options.cache_dir));
	THAW_TRY(measure_files(r, &held));
	THAW_TRY(run_cache_budget(r, held, &bytes));
	if (bytes == 0)
		return THAW_OK;
	if (evaluations(r) > 1)
		THAW_TRY(create_caches(r, &r->phase.test_cache, &r->test, "test", 1, &bytes));
	int views = run_phase_options(r)->fixres ? 1 : r->options.views;
	if (views > 0 && run_phase_options(r)->epochs > views)
		THAW_TRY(create_caches(r, &r->phase.train_cache, &r->train, "train", views, &bytes));
	return THAW_OK;
}

/* What may be wrong with the caches of a phase. */
enum { OTHER_FILES, DAMAGED_FILES, CHANGED_ENTRIES, DAMAGED_ENTRIES, CACHE_NOTES };

static void count_notes(const struct run *r, struct thaw_cache *const *caches, int64_t notes[CACHE_NOTES])
{
	for (int i = 0; caches && i < r->end_lane - r->first_lane; i++) {
		enum thaw_cache_found found = thaw_cache_found(caches[i]);
		struct thaw_cache_lost lost = thaw_cache_lost(caches[i]);
		notes[OTHER_FILES] += found == THAW_CACHE_OTHER;
		notes[DAMAGED_FILES] += found == THAW_CACHE_DAMAGED;
		notes[CHANGED_ENTRIES] += lost.changed;
		notes[DAMAGED_ENTRIES] += lost.damaged;
	}
}

thaw_status run_report_caches(struct run *r)
{
	static const struct {
		const char *what, *done;
	} lines[CACHE_NOTES] = {
		{"the feature cache was made with other settings, images or another build of thaw", "it is made anew"},
		{"the feature cache is damaged", "it is made anew"},
		{"images have changed since their features were cached", "these features are computed anew"},
		{"cached features are damaged", "they are computed anew"},
	};
	int64_t notes[CACHE_NOTES] = {0};
	if (!r->options.cache_dir)
		return THAW_OK;
	count_notes(r, r->phase.test_cache, notes);
	count_notes(r, r->phase.train_cache, notes);
	THAW_TRY(r->comm->max(r->comm, notes, CACHE_NOTES));
	for (int i = 0; i < CACHE_NOTES; i++) {
		if (notes[i] > 0 && !r->phase.reported_caches[i])
			run_log(r, "%s: %s: %s", lines[i].what, r->options.cache_dir, lines[i].done);
		r->phase.reported_caches[i] |= notes[i] > 0;
	}
	return THAW_OK;
}

static void close_caches(const struct run *r, struct thaw_cache ***caches)
{
	for (int i = 0; *caches && i < r->end_lane - r->first_lane; i++)
		thaw_cache_destroy((*caches)[i]);
	thaw_free(*caches);
	*caches = NULL;
}

void run_close_caches(struct run *r)
{
	close_caches(r, &r->phase.train_cache);
	close_caches(r, &r->phase.test_cache);
}
