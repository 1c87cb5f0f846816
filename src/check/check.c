/* thaw_check: all ranks read the images, rank 0 looks for issues. */
#include "thaw/check.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/check/features.h"
#include "src/check/image_pass.h"
#include "src/check/near.h"
#include "src/check/report.h"
#include "thaw/exclude.h"
#include "thaw/found.h"
#include "thaw/memory.h"

#define LOW_CONTRAST 0.03f /* the hash of an image with less is noise */

struct check {
	struct thaw_comm *comm;
	const struct thaw_check_options *options;
	const struct thaw_callbacks *callbacks;
	struct thaw_exclude exclude;
	struct thaw_pool pool;
	struct thaw_model *model; /* NULL: not asked for, or of no use */
	/* On rank 0: */
	struct thaw_image_facts *facts;
	struct thaw_usual usual;
	struct thaw_findings findings;
	struct thaw_copies exact, near;
};

void thaw_check_defaults(struct thaw_check_options *o)
{
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	*o = (struct thaw_check_options){
		.test_share = train.test_share, .seed = train.seed, .decode_threads = train.decode_threads};
}

static void log_text(const struct check *c, const char *text)
{
	if (c->comm->rank == 0 && c->callbacks && c->callbacks->log)
		c->callbacks->log(c->callbacks->context, text);
}

static void write_line(void *context, const char *line)
{
	log_text(context, line);
}

static thaw_status open_here(struct check *c)
{
	const struct thaw_check_options *o = c->options;
	struct thaw_dataset_options options = {.test_share = o->test_share,
					       .seed = (uint64_t)o->seed,
					       .manifest = o->manifest,
					       .parts = o->parts,
					       .lenient = true};
	if (!o->data && !o->manifest.file)
		return thaw_fail(THAW_USAGE, "no data: thaw check: name a folder of images, or give --manifest");
	if (o->exclude) {
		THAW_TRY(thaw_exclude_read(&c->exclude, o->exclude));
		options.exclude = &c->exclude;
	}
	return thaw_pool_open(&c->pool, o->data, &options);
}

static thaw_status open_data(struct check *c)
{
	THAW_TRY(thaw_comm_agree(c->comm, open_here(c)));
	THAW_TRY(thaw_comm_same_digest(c->comm, thaw_dataset_digest(&c->pool.all), "set of images",
				       "give every rank the same --data"));
	if (c->comm->rank == 0)
		thaw_found_lines(c->pool.found, write_line, c);
	return THAW_OK;
}

static thaw_status measure(struct check *c)
{
	const struct thaw_image_pass pass = {.dataset = &c->pool.all,
					     .count = c->pool.all.count,
					     .threads = c->options->decode_threads,
					     .work = thaw_measure_image,
					     .record_size = sizeof(struct thaw_image_facts),
					     .callbacks = c->callbacks,
					     .what = "images read"};
	void *facts = NULL;
	thaw_status status = thaw_image_pass_run(c->comm, &pass, &facts);
	c->facts = facts;
	return status;
}

/* Images that others may be near duplicates of: one of each group of exact ones, and none without contrast. */
static bool *choose_comparable(const struct check *c)
{
	bool *used = thaw_alloc((size_t)c->pool.all.count, sizeof(*used));
	for (int64_t i = 0; used && i < c->pool.all.count; i++)
		used[i] = c->facts[i].reading == THAW_READ && c->facts[i].contrast >= LOW_CONTRAST;
	for (int64_t i = 0; used && i < c->exact.count; i++) {
		const struct thaw_copy *copy = &c->exact.copy[i];
		used[thaw_stays(&c->pool, copy->a, copy->b) ? copy->b : copy->a] = false;
	}
	return used;
}

/* Rank 0. */
static thaw_status find_candidates(struct check *c, struct thaw_hash_pairs *candidates)
{
	THAW_TRY(thaw_usual_measure(&c->usual, c->facts, c->pool.all.count));
	THAW_TRY(thaw_findings_of_facts(&c->findings, c->facts, &c->usual, c->pool.all.count));
	THAW_TRY(thaw_exact_find(&c->exact, c->facts, &c->pool));
	bool *used = choose_comparable(c);
	if (!used)
		return THAW_RESOURCE;
	const struct thaw_hashes hashes = {.first = c->facts[0].hash,
					   .stride = sizeof(*c->facts),
					   .views = THAW_HASH_VIEWS,
					   .count = c->pool.all.count,
					   .used = used};
	thaw_status status = thaw_hash_pairs_find(candidates, &hashes);
	thaw_free(used);
	c->findings.crowded = candidates->crowded;
	return status;
}

static thaw_status find_copies(struct check *c)
{
	struct thaw_hash_pairs candidates = {0};
	thaw_status status = thaw_comm_agree(c->comm, c->comm->rank == 0 ? find_candidates(c, &candidates) : THAW_OK);
	if (status == THAW_OK)
		status = thaw_near_find(&c->near, c->comm, &c->pool.all, &candidates, c->options->decode_threads,
					c->callbacks);
	thaw_hash_pairs_release(&candidates);
	THAW_TRY(status);
	if (c->comm->rank == 0) {
		status = thaw_findings_of_copies(&c->findings, THAW_ISSUE_EXACT, &c->exact, &c->pool);
		if (status == THAW_OK)
			status = thaw_findings_of_copies(&c->findings, THAW_ISSUE_NEAR, &c->near, &c->pool);
	}
	return thaw_comm_agree(c->comm, status);
}

/* Images for the network, on all ranks: those that can be read, without copies of the same class, which would vouch
 * for each other's labels. The caller frees *samples. */
static thaw_status choose_samples(struct check *c, int64_t **samples, int64_t *count)
{
	bool *left_out = NULL;
	int64_t n = 0, *chosen = thaw_alloc((size_t)c->pool.all.count, sizeof(*chosen));
	if (c->comm->rank == 0)
		left_out = thaw_alloc((size_t)c->pool.all.count, sizeof(*left_out));
	thaw_status status =
		thaw_comm_agree(c->comm, chosen && (c->comm->rank != 0 || left_out) ? THAW_OK : THAW_RESOURCE);
	for (int k = THAW_ISSUE_EXACT; left_out && k <= THAW_ISSUE_NEAR; k++)
		for (int64_t i = 0; i < c->findings.issue[k].count; i++) {
			const struct thaw_finding *f = &c->findings.issue[k].finding[i];
			left_out[f->image] |= !thaw_labels_differ(&c->pool, f->image, f->other);
		}
	for (int64_t i = 0; status == THAW_OK && left_out && i < c->pool.all.count; i++)
		if (!left_out[i] && c->facts[i].reading == THAW_READ)
			chosen[n++] = i;
	thaw_free(left_out);
	if (status == THAW_OK)
		status = c->comm->broadcast(c->comm, &n, sizeof(n), 0);
	if (status == THAW_OK)
		status = c->comm->broadcast(c->comm, chosen, (size_t)n * sizeof(*chosen), 0);
	if (status != THAW_OK) {
		thaw_free(chosen);
		return status;
	}
	*samples = chosen;
	*count = n;
	return THAW_OK;
}

static bool has_classes(const struct check *c)
{
	return c->pool.all.task == THAW_TASK_CLASS || c->pool.all.task == THAW_TASK_GRADE;
}

/* Rank 0: takes the arrays of the scores. */
static thaw_status add_scores(struct check *c, struct thaw_feature_scores *s)
{
	c->findings.model = true;
	c->findings.labels = has_classes(c);
	c->findings.probe = s->probe;
	for (int64_t i = 0; i < c->pool.all.count; i++) {
		const struct thaw_finding label = {i, -1, s->label[i], s->suggested[i]};
		const struct thaw_finding outlier = {i, -1, s->outlier[i], -1};
		if (label.score < THAW_FLAG) /* not if NaN */
			THAW_TRY(thaw_findings_add(&c->findings, THAW_ISSUE_LABEL, &label));
		if (outlier.score < THAW_FLAG)
			THAW_TRY(thaw_findings_add(&c->findings, THAW_ISSUE_OUTLIER, &outlier));
	}
	c->findings.score[THAW_ISSUE_LABEL] = s->label;
	c->findings.score[THAW_ISSUE_OUTLIER] = s->outlier;
	s->label = s->outlier = NULL;
	return THAW_OK;
}

/* Before images are read, so that a mistake in its name shows at once. */
static thaw_status load_model(struct check *c)
{
	if (!c->options->model)
		return THAW_OK;
	if (!has_classes(c))
		log_text(c, "note: images have no single class: --model finds outliers only");
	return thaw_check_load_model(&c->model, c->comm, c->options);
}

static thaw_status check_features(struct check *c)
{
	struct thaw_feature_scores scores = {0};
	int64_t *samples = NULL, count = 0;
	thaw_status status;
	if (!c->model)
		return THAW_OK;
	THAW_TRY_OUT(choose_samples(c, &samples, &count));
	log_text(c, "computing features of the images");
	THAW_TRY_OUT(thaw_feature_scores_measure(&scores, c->comm, c->model, &c->pool.all, samples, count,
						 c->options->decode_threads, c->callbacks));
	status = thaw_comm_agree(c->comm, c->comm->rank == 0 ? add_scores(c, &scores) : THAW_OK);
out:
	thaw_free(samples);
	thaw_feature_scores_release(&scores);
	return status;
}

static void log_unknown(const struct check *c)
{
	const char *first;
	char line[1024];
	int64_t unknown = thaw_exclude_unknown(&c->exclude, &first);
	if (unknown == 0)
		return;
	snprintf(line, sizeof(line), "note: %lld of the %lld names in %s are not in the data (first: %.400s)",
		 (long long)unknown, (long long)c->exclude.count, c->options->exclude, first);
	log_text(c, line);
}

/* Rank 0. */
static thaw_status report(struct check *c, json_t **result)
{
	int64_t listed = 0;
	const struct thaw_check_report r = {c->options, &c->pool, c->facts, &c->usual, &c->findings};
	thaw_findings_finish(&c->findings, c->pool.all.count);
	if (c->options->exclude)
		log_unknown(c);
	if (c->options->out)
		THAW_TRY(thaw_check_write_list(&r, &listed));
	if (c->options->scores)
		THAW_TRY(thaw_check_write_scores(&r));
	json_t *o = thaw_check_json(&r);
	if (o && c->options->out)
		json_object_set_new(o, "listed", json_integer(listed));
	*result = o;
	return o ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
}

static void close_check(struct check *c)
{
	thaw_pool_close(&c->pool);
	thaw_exclude_free(&c->exclude);
	thaw_findings_release(&c->findings);
	thaw_copies_release(&c->exact);
	thaw_copies_release(&c->near);
	thaw_model_destroy(c->model);
	thaw_free(c->facts);
}

thaw_status thaw_check(struct thaw_comm *comm, const struct thaw_check_options *options,
		       const struct thaw_callbacks *callbacks, json_t **result)
{
	struct check c = {.comm = comm, .options = options, .callbacks = callbacks};
	*result = NULL;
	thaw_status status = open_data(&c);
	if (status == THAW_OK)
		status = load_model(&c);
	if (status == THAW_OK)
		status = measure(&c);
	if (status == THAW_OK)
		status = find_copies(&c);
	if (status == THAW_OK)
		status = check_features(&c);
	if (status == THAW_OK)
		status = thaw_comm_agree(comm, comm->rank == 0 ? report(&c, result) : THAW_OK);
	close_check(&c);
	return status;
}
