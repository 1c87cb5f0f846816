/* Advice as JSON: docs/advice.md describes the members. json_pack returns NULL if one of its parts is NULL. */
#include "src/advise/training_cost.h"
#include "src/model/metadata.h"
#include "thaw/memory.h"
#include "thaw/report.h"

/* Appends; returns NULL if array or item is NULL, or on failure. */
static json_t *append(json_t *array, json_t *item)
{
	if (array && (!item || json_array_append_new(array, item) != 0)) {
		json_decref(array);
		return NULL;
	}
	if (!array)
		json_decref(item);
	return array;
}

static json_t *real_or_null(bool known, double value)
{
	return known ? json_real(value) : json_null();
}

/* False if no image could be read, or if the distance needs a classifier that the network does not have. */
static bool has_similarity(const struct advice *a)
{
	return a->model->pretrained && a->activations.count > 0 &&
	       (a->similarity.from_norms || !a->model->features_only);
}

static json_t *similarity_json(const struct advice *a)
{
	const struct thaw_similarity *s = &a->similarity;
	bool classifies = a->model->pretrained && !a->model->features_only && a->activations.count > 0;
	json_t *layers = json_array();
	for (int k = 0; k < s->layers && has_similarity(a); k++)
		layers = append(layers,
				json_pack("{s:s, s:f}", "name", a->activations.norms[k].name, "distance", s->layer[k]));
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "figure", real_or_null(has_similarity(a), s->distance),
			 "from", s->from_norms ? "batch norms" : "entropy", "confidence",
			 real_or_null(classifies, s->confidence), "leep", real_or_null(a->has_leep, a->leep),
			 "feature_norm", real_or_null(a->activations.count > 0, s->feature_norm), "layers", layers);
}

static json_t *quadrant_json(const struct advice *a)
{
	bool small = a->median < SMALL_PER_CLASS, similar = a->similarity.distance < SIMILAR_DISTANCE;
	static const char *const textbook[2][2] = {{"train everything", "train the last part"},
						   {"train from the middle on", "train the head alone"}};
	if (!has_similarity(a))
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "size", small ? "small" : "large", "similarity",
			 similar ? "similar" : "different", "textbook", textbook[small][similar]);
}

static json_t *probe_json(const struct advice *a, const struct thaw_curve *curve)
{
	json_t *probe = json_array();
	for (int i = 0; i < curve->points; i++) {
		const struct thaw_curve_point *p = &curve->point[i];
		probe = append(probe, json_pack("{s:f, s:f, s:f, s:f}", "per_class", p->images / a->measured_classes,
						"images", p->images, "accuracy", p->accuracy, "error", p->error));
	}
	return probe;
}

static json_t *twice_json(const struct thaw_curve *curve)
{
	const struct thaw_curve_point *p = &curve->twice;
	const struct thaw_expected e = thaw_expected_range(p->accuracy, THAW_80_PERCENT * p->error);
	return curve->extrapolated ? thaw_expected_json(&e) : json_null();
}

static json_t *depth_json(const struct advice *a, int c)
{
	return json_pack("{s:s, s:s, s:f, s:I, s:o, s:o}", "unfreeze", a->cut[c].unfreeze, "block", a->cut[c].block,
			 "share", a->cut[c].share, "features", (json_int_t)a->activations.width[c], "probe",
			 probe_json(a, &a->curve[c]), "twice", twice_json(&a->curve[c]));
}

static json_t *pilot_json(const struct advice *a, const struct thaw_pilot *p)
{
	return json_pack(
		"{s:s, s:o, s:i, s:I, s:o, s:o, s:b, s:b}", "unfreeze", a->cut[p->cut].unfreeze, "lr",
		real_or_null(p->epochs > 0, thaw_recipe_rate(p->cut == 0, p->rate)), "epochs", p->epochs, "steps",
		(json_int_t)p->trial.steps, "accuracy", real_or_null(!p->trial.diverged, p->trial.top1), "loss",
		real_or_null(!p->trial.diverged, p->trial.loss), "kept", p->kept, "diverged", p->trial.diverged);
}

/* Best first; *chosen becomes the index of the advised plan. */
static json_t *plans_json(const struct advice *a, json_t **chosen)
{
	json_t *plans = json_array();
	bool listed[THAW_MAX_CUTS] = {false};
	*chosen = NULL;
	for (int n = 0; a->probed && n < a->cut_count; n++) {
		int best = -1;
		for (int c = 0; c < a->cut_count; c++)
			if (!listed[c] && (best < 0 || c == a->choice.best ||
					   (best != a->choice.best &&
					    a->choice.expected[c].accuracy > a->choice.expected[best].accuracy)))
				best = c;
		listed[best] = true;
		if (best == a->plan)
			*chosen = json_integer(n);
		plans = append(plans, thaw_advice_plan_json(a, best));
	}
	if (!*chosen)
		*chosen = json_null();
	return plans;
}

/* Gains in accuracy: from twice the images, and of the plan over the head alone. */
static json_t *worth_json(const struct advice *a)
{
	const struct thaw_curve *head = &a->curve[0];
	bool more = a->probed && head->extrapolated;
	double twice = more ? head->twice.accuracy - head->point[head->points - 1].accuracy : 0.0;
	double deeper =
		a->probed && a->plan >= 0 ? a->choice.expected[a->plan].accuracy - a->choice.expected[0].accuracy : 0.0;
	return json_pack("{s:o, s:o}", "twice_the_images", real_or_null(more, twice), "unfreezing",
			 real_or_null(a->probed && a->plan >= 0, deeper));
}

static json_t *data_json(const struct advice *a)
{
	return json_pack("{s:o, s:o, s:o, s:i, s:I, s:i, s:{s:I, s:I, s:I}, s:I, s:I, s:o}", "network",
			 thaw_report_string(a->model->variant), "data",
			 thaw_report_string(thaw_dataset_place(a->options->data, &a->options->manifest)), "size",
			 thaw_metadata_size(a->model->preprocess.size), "ranks", a->comm->size, "images",
			 (json_int_t)a->images, "classes", a->dataset.classes, "per_class", "least",
			 (json_int_t)a->least, "median", (json_int_t)a->median, "most", (json_int_t)a->most,
			 "looked_at", (json_int_t)a->activations.count, "damaged", (json_int_t)a->activations.damaged,
			 "preprocess", thaw_model_preprocess_json(a->model));
}

static json_t *measured_json(const struct advice *a)
{
	json_t *depths = json_array(), *pilots = json_array(), *chosen;
	for (int c = 0; c < a->cut_count; c++)
		depths = append(depths, depth_json(a, c));
	for (int i = 0; i < a->pilots.count; i++)
		pilots = append(pilots, pilot_json(a, &a->pilots.pilot[i]));
	json_t *plans = plans_json(a, &chosen);
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "similarity", similarity_json(a), "quadrant",
			 quadrant_json(a), "depths", depths, "pilots", pilots, "plans", plans, "plan", chosen, "worth",
			 worth_json(a));
}

json_t *thaw_advice_json(const struct advice *a)
{
	json_t *advice = data_json(a), *measured = measured_json(a), *history = json_null();
	char *command = thaw_advice_command(a);
	if (a->history)
		history = json_incref(a->history);
	json_t *rest = json_pack("{s:O, s:o, s:o, s:o, s:f, s:f}", "found", a->found, "history", history, "words",
				 thaw_advice_words(a), "command", command ? thaw_report_string(command) : json_null(),
				 "seconds", a->seconds, "core_seconds", a->core_seconds);
	bool whole = advice && measured && rest && json_object_update(advice, measured) == 0 &&
		     json_object_update(advice, rest) == 0;
	json_decref(measured);
	json_decref(rest);
	thaw_free(command);
	if (whole)
		return advice;
	json_decref(advice);
	return NULL;
}
