/* What could not be measured, in words: one sentence each. */
#include <inttypes.h>
#include <math.h>

#include "src/advise/training_cost.h"
#include "thaw/report.h"

static json_t *sentence(json_t *words, json_t *text)
{
	if (words && (!text || json_array_append_new(words, text) != 0)) {
		json_decref(words);
		return NULL;
	}
	return words;
}

/* What of the data the numbers are about. */
static json_t *of_images(const struct advice *a, json_t *words)
{
	if (a->dataset.count < a->images)
		words = sentence(words, json_sprintf("%" PRId64 " of the %" PRId64 " training images were looked at.",
						     a->dataset.count, a->images));
	if (a->taps.damaged > 0)
		words = sentence(words, json_sprintf("%" PRId64 " of these images are damaged and were left out.",
						     a->taps.damaged));
	return words;
}

static json_t *of_lonely(const struct advice *a, json_t *words)
{
	json_t *name = thaw_report_string(a->lonely_name); /* a long one may be cut within a letter */
	if (!name) {
		json_decref(words);
		return NULL;
	}
	words = sentence(words, json_sprintf("%d class%s of one image (%s%s): nothing can be held out of %s, and the "
					     "numbers say nothing of %s.",
					     a->lonely, a->lonely > 1 ? "es" : "", json_string_value(name),
					     a->lonely > 1 ? " ..." : "", a->lonely > 1 ? "them" : "it",
					     a->lonely > 1 ? "them" : "it"));
	json_decref(name);
	return words;
}

static json_t *of_data(const struct advice *a, json_t *words)
{
	if (a->dataset.classes < 2)
		return sentence(of_images(a, words),
				json_string("The data have one class: there is nothing to tell apart, so nothing "
					    "but their similarity is measured."));
	if (a->lonely > 0)
		words = of_lonely(a, words);
	words = of_images(a, words);
	if (!a->probed && a->taps.width[0] == 0)
		return sentence(words, json_string("The network is its classifier alone, which sees the image itself: "
						   "there are no features to measure."));
	if (!a->probed)
		return sentence(words,
				json_string("So few images are left that any number would be luck: collect more, "
					    "and train the head alone until then."));
	if (a->pilots.count < 2 && a->cut_count > 1)
		words = sentence(words,
				 json_sprintf("%" PRId64 " images could be held out, too few to tell trainings apart: "
					      "the plan is what was best on other datasets (docs/advice.md).",
					      a->pilots.test_images));
	return words;
}

static json_t *of_network(const struct advice *a, json_t *words)
{
	if (!a->model->pretrained)
		words = sentence(words,
				 json_string("The network's weights are random: it knows nothing to build on. Take a "
					     "pretrained one, or unfreeze everything and train for much longer."));
	else if (!a->similarity.from_norms && !a->model->features_only)
		words = sentence(words, json_string("The network has no batch norms that remember its training data: "
						    "similarity is its classifier's doubt alone."));
	if (a->model->features_only)
		words = sentence(words, json_string("The network has no classifier of its own: confidence and LEEP are "
						    "not known."));
	return words;
}

json_t *advice_words(const struct advice *a)
{
	json_t *words = of_network(a, of_data(a, json_array()));
	if (a->probed && a->plan < 0) {
		double least = INFINITY;
		for (int c = 0; c < a->cut_count; c++)
			least = fmin(least, advice_cost(a, c).core_hours);
		words = sentence(words, json_sprintf("No plan fits the budget %s: the cheapest takes %.2g core-hours.",
						     a->options->budget, least));
	}
	return words;
}
