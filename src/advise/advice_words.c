/* Sentences on what could not be measured. */
#include <inttypes.h>
#include <math.h>

#include "src/advise/training_cost.h"
#include "thaw/report.h"

/* Appends a sentence; NULL on failure. Takes over both references. */
static json_t *sentence(json_t *words, json_t *text)
{
	if (!words)
		json_decref(text);
	else if (!text || json_array_append_new(words, text) != 0) {
		json_decref(words);
		return NULL;
	}
	return words;
}

/* Which of the images were measured. */
static json_t *describe_images(const struct advice *a, json_t *words)
{
	if (a->dataset.count < a->images)
		words = sentence(words, json_sprintf("%" PRId64 " of the %" PRId64 " training images were measured.",
						     a->dataset.count, a->images));
	if (a->activations.damaged > 0)
		words = sentence(words, json_sprintf("%" PRId64 " of these images are damaged and were skipped.",
						     a->activations.damaged));
	return words;
}

static json_t *describe_single_image_classes(const struct advice *a, json_t *words)
{
	json_t *name = thaw_report_string(a->single_image_name); /* a long name may be cut within a character */
	if (!name) {
		json_decref(words);
		return NULL;
	}
	bool several = a->single_image_classes > 1;
	words = sentence(words,
			 json_sprintf("%d class%s of one image (%s%s): nothing can be held out of %s, and %s not "
				      "measured.",
				      a->single_image_classes, several ? "es" : "", json_string_value(name),
				      several ? " ..." : "", several ? "them" : "it", several ? "they are" : "it is"));
	json_decref(name);
	return words;
}

static json_t *describe_data(const struct advice *a, json_t *words)
{
	if (a->dataset.classes < 2)
		return sentence(describe_images(a, words),
				json_string("The data have only one class: nothing but their similarity can be "
					    "measured."));
	if (a->single_image_classes > 0)
		words = describe_single_image_classes(a, words);
	words = describe_images(a, words);
	if (!a->probed && a->activations.width[0] == 0)
		return sentence(words, json_string("The network has no layers before its classifier: there are no "
						   "features to measure."));
	if (!a->probed)
		return sentence(words, json_string("Too few images are left for reliable numbers: collect more, and "
						   "train the head alone until then."));
	if (a->pilots.count < 2 && a->cut_count > 1)
		words = sentence(words,
				 json_sprintf("%" PRId64 " images could be held out, too few to compare trainings: the "
					      "plan is what was best on other datasets (docs/advice.md).",
					      a->pilots.test_images));
	return words;
}

static json_t *describe_network(const struct advice *a, json_t *words)
{
	if (a->model->notes)
		words = sentence(words, json_sprintf("Network: %s.", a->model->notes));
	if (!a->model->pretrained)
		words = sentence(words,
				 json_string("The network's weights are random. Use a pretrained network, or unfreeze "
					     "everything and train for much longer."));
	else if (!a->similarity.from_norms && !a->model->features_only)
		words = sentence(words,
				 json_string("The network has no batch norms with statistics of its training data: "
					     "the similarity is the entropy of its classifier."));
	if (a->model->features_only)
		words = sentence(words, json_string("The network has no classifier: confidence and LEEP are unknown."));
	return words;
}

json_t *thaw_advice_words(const struct advice *a)
{
	json_t *words = describe_network(a, describe_data(a, json_array()));
	if (a->probed && a->plan < 0) {
		double least = INFINITY;
		for (int c = 0; c < a->cut_count; c++)
			least = fmin(least, thaw_advice_training_cost(a, c).core_hours);
		words = sentence(words, json_sprintf("No plan fits the budget %s: the cheapest takes %.2g core-hours.",
						     a->options->budget, least));
	}
	return words;
}
