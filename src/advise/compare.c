/* thaw_compare: each network looks at the same images, and rank 0 scores what it makes of them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/advise/cost.h"
#include "src/advise/look.h"
#include "src/advise/probe.h"
#include "src/advise/scores.h"
#include "src/advise/standing.h"
#include "src/advise/taps.h"
#include "thaw/advise.h"
#include "thaw/report.h"
#include "thaw/transform.h"

#define LINE_SIZE 512

struct ranking {
	struct thaw_comm *comm;
	const struct thaw_advise_options *options;
	const char *const *models;
	int count, lanes;
	const struct thaw_callbacks *callbacks;
	struct thaw_dataset data; /* training images that are looked at */
	int single;               /* classes with one image */
};

/* What is known of one network. */
struct entry {
	char *network;
	bool pretrained, has_leep;
	int size;
	int64_t images, damaged;
	double probe, error, logme, h_score, leep;
	struct thaw_cost cost;
};

/* Datasets that nothing can be said of. */
static thaw_status check_data(struct ranking *r)
{
	const struct thaw_dataset *d = &r->data;
	if (d->classes < 2)
		return thaw_fail(THAW_CONFIG,
				 "all images are of one class: --data %s: networks are ranked by how they tell two or "
				 "more apart",
				 r->options->data);
	int64_t *images = thaw_alloc((size_t)d->classes, sizeof(*images));
	if (!images)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++)
		images[d->labels[i]]++;
	for (int c = 0; c < d->classes; c++)
		r->single += images[c] == 1;
	thaw_free(images);
	if (r->single == d->classes)
		return thaw_fail(THAW_CONFIG,
				 "there is one training image of each class: --data %s: networks are ranked by images "
				 "that are left out, which takes two or more of a class",
				 r->options->data);
	return THAW_OK;
}

static thaw_status check_options(const struct ranking *r)
{
	const struct thaw_advise_options *o = r->options;
	if (r->count < 1)
		return thaw_fail(THAW_USAGE, "no network to rank: give one or more");
	if (o->size < 0 || o->size > THAW_MAX_SIDE)
		return thaw_fail(THAW_USAGE, "--size %d: use 1 to %d, or 0 for the network's own", o->size,
				 THAW_MAX_SIDE);
	if (r->lanes < r->comm->size)
		return thaw_fail(THAW_CONFIG, "%d lanes for %d ranks: --lanes: use as many as ranks or more", r->lanes,
				 r->comm->size);
	return THAW_OK;
}

static thaw_status open_model(const struct ranking *r, int which, struct thaw_model **model)
{
	struct thaw_model *m = NULL;
	THAW_TRY(thaw_model_load(&m, r->models[which], 0, (uint64_t)r->options->seed));
	thaw_status status = thaw_model_set_size(m, r->options->size);
	if (status == THAW_OK) {
		*model = m;
		return THAW_OK;
	}
	thaw_model_destroy(m);
	return thaw_fail_in(status, "%s", r->models[which]);
}

/* A mistake in the last name is told before the first network has worked for minutes. */
static thaw_status check_models(const struct ranking *r)
{
	for (int i = 0; i < r->count; i++) {
		struct thaw_model *m = NULL;
		struct thaw_cut cut[THAW_CUTS_MOST];
		int cuts;
		THAW_TRY(open_model(r, i, &m));
		thaw_status status = thaw_cuts_choose(m->graph, m->preprocess.size, cut, &cuts);
		thaw_model_destroy(m);
		if (status != THAW_OK)
			return thaw_fail_in(status, "%s", r->models[i]);
	}
	return THAW_OK;
}

/* Numbers of a table of features; the same wherever they are computed. */
static thaw_status score(const struct thaw_taps *taps, int classes, struct entry *e)
{
	const struct thaw_feature_table features = {taps->count, taps->width[0], taps->features[0], taps->labels,
						    classes};
	const struct thaw_feature_table source = {taps->count, taps->source_classes, taps->probability, taps->labels,
						  classes};
	struct thaw_probe probe = {0};
	THAW_TRY(thaw_probe_fit(&probe, &features));
	e->probe = probe.accuracy;
	thaw_probe_release(&probe);
	/* The binomial's standard error, with one image more on either side: no share of some images is certain. */
	const double n = (double)taps->count, share = (e->probe * n + 1.0) / (n + 2.0);
	e->error = sqrt(share * (1.0 - share) / n);
	THAW_TRY(thaw_logme(&features, &e->logme));
	THAW_TRY(thaw_h_score(&features, &e->h_score));
	return e->has_leep ? thaw_leep(&source, &e->leep) : THAW_OK;
}

/* All that is measured of a model that is open. Its classifier says something where it was trained. */
static thaw_status look(const struct ranking *r, struct thaw_model *m, struct entry *e)
{
	struct thaw_cut cut[THAW_CUTS_MOST];
	struct thaw_taps taps = {0};
	int cuts;
	e->pretrained = m->pretrained;
	e->has_leep = m->pretrained && !m->features_only;
	e->size = m->preprocess.size;
	e->network = thaw_strdup(m->variant);
	thaw_status status = e->network ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_cuts_choose(m->graph, m->preprocess.size, cut, &cuts);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	THAW_TRY(thaw_look_same(r->comm, m->digest, "model file", "give every rank the same files"));
	THAW_TRY(thaw_taps_collect(&taps, r->comm, m, cut, 1, &r->data, r->lanes, r->options->decode_threads,
				   r->callbacks));
	e->images = taps.count;
	e->damaged = taps.damaged;
	status = r->comm->rank == 0 ? score(&taps, r->data.classes, e) : THAW_OK;
	thaw_taps_release(&taps);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	return thaw_cost_measure(&e->cost, r->comm, m->graph, m->preprocess.size);
}

static thaw_status measure(const struct ranking *r, int which, struct entry *e)
{
	struct thaw_model *m = NULL;
	char line[LINE_SIZE];
	if (r->callbacks && r->callbacks->log && r->comm->rank == 0) {
		snprintf(line, sizeof(line), "network %d of %d: %s", which + 1, r->count, r->models[which]);
		r->callbacks->log(r->callbacks->context, line);
	}
	THAW_TRY(thaw_comm_agree(r->comm, open_model(r, which, &m)));
	thaw_status status = look(r, m, e);
	thaw_model_destroy(m);
	return status == THAW_OK ? THAW_OK : thaw_fail_in(status, "%s", r->models[which]);
}

static json_t *entry_json(const char *model, const struct entry *e, bool pareto)
{
	return json_pack("{s:o, s:o, s:b, s:i, s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:I, s:b}", "model",
			 thaw_report_string(model), "network", thaw_report_string(e->network), "pretrained",
			 e->pretrained, "size", e->size, "probe", e->probe, "error", e->error, "logme", e->logme,
			 "h_score", e->h_score, "leep", e->has_leep ? json_real(e->leep) : json_null(), "milliseconds",
			 1e3 * e->cost.seconds, "mflop", 1e-6 * (double)e->cost.flops, "parameters",
			 (json_int_t)e->cost.parameters, "pareto", pareto);
}

/* The entries by standing. What could be read of the images does not depend on the network. */
static thaw_status report(const struct ranking *r, const struct entry *entries, json_t **result)
{
	struct thaw_standing *s = thaw_alloc((size_t)r->count, sizeof(*s));
	json_t *networks = json_array();
	if (!s) {
		json_decref(networks);
		return THAW_RESOURCE;
	}
	for (int i = 0; i < r->count; i++)
		s[i] = (struct thaw_standing){.network = i,
					      .probe = entries[i].probe,
					      .error = entries[i].error,
					      .logme = entries[i].logme,
					      .seconds = entries[i].cost.seconds};
	thaw_standing_order(s, r->count);
	int failed = !networks;
	for (int i = 0; i < r->count && !failed; i++)
		failed = json_array_append_new(
			networks, entry_json(r->models[s[i].network], &entries[s[i].network], s[i].pareto));
	thaw_free(s);
	if (!failed)
		*result =
			json_pack("{s:o, s:I, s:I, s:i, s:i, s:O}", "data", thaw_report_string(r->options->data),
				  "images", (json_int_t)entries[0].images, "damaged", (json_int_t)entries[0].damaged,
				  "classes", r->data.classes, "classes_of_one_image", r->single, "networks", networks);
	json_decref(networks);
	return !failed && *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory for a report");
}

static thaw_status rank_all(struct ranking *r, struct entry *entries, json_t **result)
{
	thaw_status status = check_options(r);
	if (status == THAW_OK)
		status = thaw_look_open(&r->data, r->options);
	if (status == THAW_OK)
		status = check_data(r);
	if (status == THAW_OK)
		status = check_models(r);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	THAW_TRY(thaw_look_same(r->comm, thaw_dataset_digest(&r->data), "images", "give every rank the same --data"));
	for (int i = 0; i < r->count; i++)
		THAW_TRY(measure(r, i, &entries[i]));
	return thaw_comm_agree(r->comm, r->comm->rank == 0 ? report(r, entries, result) : THAW_OK);
}

thaw_status thaw_compare(struct thaw_comm *comm, const struct thaw_advise_options *options, const char *const *models,
			 int count, const struct thaw_callbacks *callbacks, json_t **result)
{
	struct ranking r = {.comm = comm, .options = options, .models = models, .count = count, .callbacks = callbacks};
	r.lanes = thaw_look_lanes(options, comm);
	struct entry *entries = thaw_alloc((size_t)count, sizeof(*entries));
	thaw_status status = thaw_comm_agree(comm, entries ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = rank_all(&r, entries, result);
	thaw_dataset_close(&r.data);
	for (int i = 0; entries && i < count; i++)
		thaw_free(entries[i].network);
	thaw_free(entries);
	return status;
}
