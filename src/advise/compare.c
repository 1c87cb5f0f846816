/* thaw_compare: all networks compute features of the same images, and rank 0 scores them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/advise/activations.h"
#include "src/advise/image_cost.h"
#include "src/advise/probe.h"
#include "src/advise/ranking.h"
#include "src/advise/sampling.h"
#include "src/advise/scores.h"
#include "src/base/try.h"
#include "thaw/advise.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/transform.h"

#define LINE_SIZE 512

struct comparison {
	struct thaw_comm *comm;
	const struct thaw_advise_options *options;
	const char *const *models;
	int count, lanes;
	const struct thaw_callbacks *callbacks;
	struct thaw_dataset data; /* the sample of the training images */
	json_t *found;            /* about `data` */
	int single_image_classes;
};

/* Results for one network. */
struct entry {
	char *network;
	json_t *preprocess;
	bool pretrained, has_leep;
	int size;
	int64_t images, damaged;
	double probe, error, logme, h_score, leep;
	struct thaw_image_cost cost;
};

static const char *place(const struct comparison *r)
{
	return thaw_dataset_place(r->options->data, &r->options->manifest);
}

/* Rejects datasets on which networks cannot be compared. */
static thaw_status check_data(struct comparison *r)
{
	const struct thaw_dataset *d = &r->data;
	if (d->classes < 2)
		return thaw_fail(THAW_CONFIG, "all images are of one class: --data %s: give two classes or more",
				 place(r));
	int64_t *images = thaw_alloc((size_t)d->classes, sizeof(*images));
	if (!images)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < d->count; i++)
		images[d->labels[i]]++;
	for (int c = 0; c < d->classes; c++)
		r->single_image_classes += images[c] == 1;
	thaw_free(images);
	if (r->single_image_classes == d->classes)
		return thaw_fail(THAW_CONFIG,
				 "only one training image of each class: --data %s: give two or more of a class, since "
				 "the probe leaves one out",
				 place(r));
	return THAW_OK;
}

static thaw_status check_options(const struct comparison *r)
{
	const struct thaw_advise_options *o = r->options;
	if (r->count < 1)
		return thaw_fail(THAW_USAGE, "no network to compare: give one or more");
	if (o->size < 0 || o->size > THAW_MAX_SIDE)
		return thaw_fail(THAW_USAGE, "bad image side: --size %d: use 1 to %d, or 0 for the network's own",
				 o->size, THAW_MAX_SIDE);
	if (r->lanes < r->comm->size)
		return thaw_fail(THAW_CONFIG,
				 "too few lanes: --lanes %d for %d ranks: use as many lanes as ranks or more", r->lanes,
				 r->comm->size);
	return THAW_OK;
}

static thaw_status open_model(const struct comparison *r, int which, struct thaw_model **model)
{
	struct thaw_model *m = NULL;
	THAW_TRY(thaw_model_load_key(&m, r->models[which], r->options->weights_key, 0, (uint64_t)r->options->seed));
	thaw_graph_set_precision(m->graph, r->options->precision);
	thaw_status status = thaw_model_set_preprocess(m, r->options->size, &r->options->images);
	if (status == THAW_OK) {
		*model = m;
		return THAW_OK;
	}
	thaw_model_destroy(m);
	return thaw_fail_in(status, "%s", r->models[which]);
}

/* Fails early: a mistake in the last name must not show up after minutes of work on the others. */
static thaw_status check_models(const struct comparison *r)
{
	for (int i = 0; i < r->count; i++) {
		struct thaw_model *m = NULL;
		struct thaw_cut cut[THAW_MAX_CUTS];
		int cuts;
		THAW_TRY(open_model(r, i, &m));
		thaw_status status = thaw_cuts_choose(m->graph, m->preprocess.size, cut, &cuts);
		thaw_model_destroy(m);
		if (status != THAW_OK)
			return thaw_fail_in(status, "%s", r->models[i]);
	}
	return THAW_OK;
}

/* Probe and scores; called on rank 0 only. */
static thaw_status score(const struct thaw_activations *activations, int classes, struct entry *e)
{
	const struct thaw_feature_table features = {activations->count, activations->width[0], activations->features[0],
						    activations->labels, classes};
	const struct thaw_feature_table source = {activations->count, activations->source_classes,
						  activations->probability, activations->labels, classes};
	struct thaw_probe probe = {0};
	THAW_TRY(thaw_probe_fit(&probe, &features));
	e->probe = probe.accuracy;
	thaw_probe_release(&probe);
	/* Standard error of a binomial proportion, with Laplace smoothing so that it is never 0. */
	const double n = (double)activations->count, share = (e->probe * n + 1.0) / (n + 2.0);
	e->error = sqrt(share * (1.0 - share) / n);
	THAW_TRY(thaw_logme(&features, &e->logme));
	THAW_TRY(thaw_h_score(&features, &e->h_score));
	return e->has_leep ? thaw_leep(&source, &e->leep) : THAW_OK;
}

/* Measures a loaded network. LEEP needs a trained classifier. */
static thaw_status measure_model(const struct comparison *r, struct thaw_model *m, struct entry *e)
{
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_activations activations = {0};
	int cuts;
	e->pretrained = m->pretrained;
	e->has_leep = m->pretrained && !m->features_only;
	e->size = m->preprocess.size;
	e->network = thaw_strdup(m->variant);
	e->preprocess = thaw_model_preprocess_json(m);
	thaw_status status = e->network ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = thaw_cuts_choose(m->graph, m->preprocess.size, cut, &cuts);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	THAW_TRY(thaw_model_same(r->comm, m));
	THAW_TRY(thaw_activations_collect(&activations, r->comm, m, cut, 1, &r->data, r->lanes,
					  r->options->decode_threads, r->callbacks));
	e->images = activations.count;
	e->damaged = activations.damaged;
	status = r->comm->rank == 0 ? score(&activations, r->data.classes, e) : THAW_OK;
	thaw_activations_release(&activations);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	return thaw_image_cost_measure(&e->cost, r->comm, m->graph, m->preprocess.size);
}

static thaw_status measure(const struct comparison *r, int which, struct entry *e)
{
	struct thaw_model *m = NULL;
	char line[LINE_SIZE];
	if (r->callbacks && r->callbacks->log && r->comm->rank == 0) {
		snprintf(line, sizeof(line), "network %d of %d: %s", which + 1, r->count, r->models[which]);
		r->callbacks->log(r->callbacks->context, line);
	}
	THAW_TRY(thaw_comm_agree(r->comm, open_model(r, which, &m)));
	if (m->notes && r->callbacks && r->callbacks->log && r->comm->rank == 0) {
		snprintf(line, sizeof(line), "network %d: %s", which + 1, m->notes);
		r->callbacks->log(r->callbacks->context, line);
	}
	snprintf(line, sizeof(line), "network %d: ", which + 1);
	thaw_log_preprocess(r->comm, r->callbacks, line, m);
	thaw_status status = measure_model(r, m, e);
	thaw_model_destroy(m);
	return status == THAW_OK ? THAW_OK : thaw_fail_in(status, "%s", r->models[which]);
}

static json_t *entry_json(const char *model, const struct entry *e, bool pareto)
{
	return json_pack("{s:o, s:o, s:b, s:i, s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:I, s:b, s:O}", "model",
			 thaw_report_string(model), "network", thaw_report_string(e->network), "pretrained",
			 e->pretrained, "size", e->size, "probe", e->probe, "error", e->error, "logme", e->logme,
			 "h_score", e->h_score, "leep", e->has_leep ? json_real(e->leep) : json_null(), "milliseconds",
			 1e3 * e->cost.seconds, "mflop", 1e-6 * (double)e->cost.flops, "parameters",
			 (json_int_t)e->cost.parameters, "pareto", pareto, "preprocess", e->preprocess);
}

/* Makes the result, best network first. Damaged images are the same for all networks. */
static thaw_status report(const struct comparison *r, const struct entry *entries, json_t **result)
{
	struct thaw_ranked_network *s = thaw_alloc((size_t)r->count, sizeof(*s));
	json_t *networks = json_array();
	if (!s) {
		json_decref(networks);
		return THAW_RESOURCE;
	}
	for (int i = 0; i < r->count; i++)
		s[i] = (struct thaw_ranked_network){.network = i,
						    .probe = entries[i].probe,
						    .error = entries[i].error,
						    .logme = entries[i].logme,
						    .seconds = entries[i].cost.seconds};
	thaw_ranking_sort(s, r->count);
	int failed = !networks;
	for (int i = 0; i < r->count && !failed; i++)
		failed = json_array_append_new(
			networks, entry_json(r->models[s[i].network], &entries[s[i].network], s[i].pareto));
	thaw_free(s);
	if (!failed)
		*result = json_pack("{s:o, s:I, s:I, s:i, s:i, s:O, s:O}", "data", thaw_report_string(place(r)),
				    "images", (json_int_t)entries[0].images, "damaged", (json_int_t)entries[0].damaged,
				    "classes", r->data.classes, "classes_of_one_image", r->single_image_classes,
				    "networks", networks, "found", r->found);
	json_decref(networks);
	return !failed && *result ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the report");
}

static thaw_status open_data(struct comparison *r)
{
	THAW_TRY(thaw_sample_open(&r->data, r->options));
	const struct thaw_dataset *part = &r->data;
	r->found = thaw_found_json(place(r), &part, 1);
	return r->found ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the description of the data");
}

static thaw_status compare_all(struct comparison *r, struct entry *entries, json_t **result)
{
	thaw_status status = check_options(r);
	if (status == THAW_OK)
		status = open_data(r);
	if (status == THAW_OK)
		status = check_data(r);
	if (status == THAW_OK)
		status = check_models(r);
	THAW_TRY(thaw_comm_agree(r->comm, status));
	THAW_TRY(thaw_comm_same_digest(r->comm, thaw_dataset_digest(&r->data), "set of images",
				       "give every rank the same --data"));
	thaw_log_found(r->comm, r->callbacks, r->found);
	for (int i = 0; i < r->count; i++)
		THAW_TRY(measure(r, i, &entries[i]));
	return thaw_comm_agree(r->comm, r->comm->rank == 0 ? report(r, entries, result) : THAW_OK);
}

thaw_status thaw_compare(struct thaw_comm *comm, const struct thaw_advise_options *options, const char *const *models,
			 int count, const struct thaw_callbacks *callbacks, json_t **result)
{
	struct comparison r = {
		.comm = comm, .options = options, .models = models, .count = count, .callbacks = callbacks};
	r.lanes = thaw_advise_lanes(options, comm);
	struct entry *entries = thaw_alloc((size_t)count, sizeof(*entries));
	thaw_status status = thaw_comm_agree(comm, entries ? THAW_OK : THAW_RESOURCE);
	if (status == THAW_OK)
		status = compare_all(&r, entries, result);
	if (status == THAW_OK && comm->rank != 0)
		*result = NULL;
	thaw_dataset_close(&r.data);
	json_decref(r.found);
	for (int i = 0; entries && i < count; i++) {
		json_decref(entries[i].preprocess);
		thaw_free(entries[i].network);
	}
	thaw_free(entries);
	return status;
}
