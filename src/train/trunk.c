/* What stands before the tail in a phase: the features that are kept, and who makes and hands them out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cblas.h>

#include "src/base/machine.h"
#include "src/train/run.h"
#include "thaw/file.h"
#include "thaw/version.h"

#define SHARE_OF_FREE 2 /* --cache auto: at most one part in so many of the node's free memory */

/* "4G" and the like in bytes; false for anything else. */
static bool parse_bytes(const char *text, size_t *bytes)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;
	if (end == text || errno || !(value >= 0.0) || (*end && (!unit || end[1])))
		return false;
	value *= unit ? (double)(1ULL << (10 * (unit - units + 1))) : 1.0;
	if (value > (double)(SIZE_MAX / 2))
		return false;
	*bytes = (size_t)value;
	return true;
}

thaw_status run_cache_budget(const struct run *r, size_t *bytes)
{
	const struct thaw_train_options *o = &r->options;
	*bytes = 0;
	if (strcmp(o->cache, "off") == 0)
		return THAW_OK;
	if (strcmp(o->cache, "auto") == 0) {
		double free = thaw_machine_memory_available(), limit = thaw_machine_memory_limit();
		free = limit > 0 && limit < free ? limit : free;
		*bytes = (size_t)(free / SHARE_OF_FREE / r->comm->node_size);
		return THAW_OK;
	}
	if (!parse_bytes(o->cache, bytes))
		return thaw_fail(THAW_USAGE, "not understood: --cache %s: give auto, off, or bytes such as 4G",
				 o->cache);
	return THAW_OK;
}

static uint64_t digest_text(const char *text, uint64_t seed)
{
	return thaw_digest(text, strlen(text), seed);
}

/* Everything that decides the trunk's features: program, BLAS kernel and threads (their bits), images (by their names),
 * views, weights. */
static uint64_t trunk_digest(const struct run *r, const struct thaw_dataset *dataset)
{
	const struct thaw_graph *g = r->graph;
	int cut = thaw_graph_cut(g);
	uint64_t numbers[] = {(uint64_t)r->options.seed, (uint64_t)r->options.lanes, thaw_dataset_digest(dataset),
			      (uint64_t)cut, (uint64_t)openblas_get_num_threads()};
	uint64_t d = digest_text(THAW_VERSION, 0);
	d = digest_text(openblas_get_corename(), d);
	d = digest_text(r->model->variant, d);
	d = thaw_digest(numbers, sizeof(numbers), d);
	d = thaw_digest(&r->preprocess, sizeof(r->preprocess), d);
	d = thaw_digest(&r->augment, sizeof(r->augment), d);
	for (int i = 1; i < cut; i++) {
		const struct thaw_node *n = &g->nodes[i];
		d = digest_text(n->op->name, d);
		for (int k = 0; k < n->param_count; k++) {
			const struct thaw_param *p = &g->params[n->params[k]];
			d = thaw_digest(p->data, (size_t)thaw_shape_count(&p->shape) * sizeof(float), d);
		}
	}
	return d;
}

/* One cache for each lane of this rank, of one dataset: at most *bytes, which go down by what is taken. */
static thaw_status open_caches(struct run *r, struct thaw_cache **caches, const struct thaw_dataset *dataset,
			       const char *split, int views, size_t *bytes)
{
	int lanes = r->end_lane - r->first_lane;
	size_t each = *bytes / (size_t)lanes, taken = 0;
	uint64_t digest = r->options.cache_dir ? trunk_digest(r, dataset) : 0;
	for (int lane = r->first_lane; lane < r->end_lane; lane++) {
		struct thaw_cache_options o = {
			.entries = thaw_lane_count(dataset->count, r->options.lanes, lane) * views,
			.features = thaw_executor_features(r->trunk_executor),
			.dtype = strcmp(r->options.cache_dtype, "f16") == 0 ? THAW_F16 : THAW_F32,
			.bytes = each,
			.digest = digest,
		};
		char *path = r->options.cache_dir
				     ? thaw_format("%s/%s-%s-%05d-of-%05d.features", r->options.cache_dir,
						   r->phases[r->at.phase].name, split, lane, r->options.lanes)
				     : NULL;
		if (r->options.cache_dir && !path)
			return THAW_RESOURCE;
		o.path = path;
		thaw_status status = thaw_cache_create(&caches[lane - r->first_lane], &o);
		thaw_free(path);
		THAW_TRY(status);
		taken += thaw_cache_wish(&o) < each ? thaw_cache_wish(&o) : each;
	}
	*bytes -= taken;
	return THAW_OK;
}

static int64_t evaluations(const struct run *r)
{
	return (r->phases[r->at.phase].epochs + r->options.eval_every - 1) / r->options.eval_every;
}

/* Test images have one view, training images --views of them; where nothing comes twice, nothing is kept. */
static thaw_status open_all_caches(struct run *r)
{
	size_t lanes = (size_t)(r->end_lane - r->first_lane), bytes;
	THAW_TRY(run_cache_budget(r, &bytes));
	if (bytes == 0)
		return THAW_OK;
	if (r->options.cache_dir)
		THAW_TRY(thaw_make_directory(r->options.cache_dir));
	if (evaluations(r) > 1) {
		r->test_cache = thaw_alloc(lanes, sizeof(*r->test_cache));
		if (!r->test_cache)
			return THAW_RESOURCE;
		THAW_TRY(open_caches(r, r->test_cache, &r->test, "test", 1, &bytes));
	}
	if (r->options.views > 0 && r->phases[r->at.phase].epochs > r->options.views) {
		r->train_cache = thaw_alloc(lanes, sizeof(*r->train_cache));
		if (!r->train_cache)
			return THAW_RESOURCE;
		THAW_TRY(open_caches(r, r->train_cache, &r->train, "train", r->options.views, &bytes));
	}
	return THAW_OK;
}

thaw_status run_open_features(struct run *r)
{
	THAW_TRY(open_all_caches(r));
	struct thaw_feature_parts parts = {
		.dataset = &r->train,
		.loader = r->train_loader,
		.damage = r->train_damage,
		.trunk = r->trunk_executor,
		.cache = r->train_cache,
		.lanes = r->options.lanes,
		.first_lane = r->first_lane,
		.views = r->options.views,
		.size = r->preprocess.size,
	};
	THAW_TRY(thaw_features_create(&r->train_features, &parts));
	parts.dataset = &r->test;
	parts.loader = r->test_loader;
	parts.damage = r->test_damage;
	parts.cache = r->test_cache;
	parts.views = 1;
	return thaw_features_create(&r->test_features, &parts);
}

static void close_caches(const struct run *r, struct thaw_cache ***caches)
{
	for (int i = 0; *caches && i < r->end_lane - r->first_lane; i++)
		thaw_cache_destroy((*caches)[i]);
	thaw_free(*caches);
	*caches = NULL;
}

void run_close_features(struct run *r)
{
	thaw_features_destroy(r->train_features);
	thaw_features_destroy(r->test_features);
	close_caches(r, &r->train_cache);
	close_caches(r, &r->test_cache);
	r->train_features = r->test_features = NULL;
}
