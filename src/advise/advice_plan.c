/* Training plans: one for each cut, and the choice among them. */
#include <string.h>

#include "src/advise/training_cost.h"
#include "src/base/minmax.h"
#include "src/model/metadata.h"
#include "thaw/file.h"
#include "thaw/memory.h"
#include "thaw/report.h"

static json_t *train_json(const struct advice *a, int cut)
{
	struct thaw_train_options o;
	thaw_train_defaults(&o);
	thaw_recipe_apply(&a->recipe, a->cut[cut].unfreeze, thaw_recipe_rate(cut == 0, a->choice.rate[cut]), &o);
	bool other_split = a->options->test_share != o.test_share;
	json_t *train =
		json_pack("{s:s, s:s, s:i, s:i, s:f, s:f, s:f, s:s, s:i, s:o, s:I}", "unfreeze", o.unfreeze,
			  "optimizer", o.optimizer, "head-epochs", o.head_epochs, "epochs", o.epochs, "lr", o.lr,
			  "head-lr", o.head_lr, "layer-decay", o.layer_decay, "bn",
			  a->model->pretrained ? "frozen" : "lane", "batch", max_int(o.batch, a->rank_count), "size",
			  thaw_metadata_size(a->model->preprocess.size), "seed", (json_int_t)a->options->seed);
	if (train && other_split) /* so that the same images are held out */
		json_object_set_new(train, "test-share", json_real(a->options->test_share));
	if (train && a->options->exclude)
		json_object_set_new(train, "exclude", thaw_report_string(a->options->exclude));
	if (train && a->options->weights_key)
		json_object_set_new(train, "weights-key", thaw_report_string(a->options->weights_key));
	const struct thaw_preprocess_override *images = &a->options->images;
	const struct thaw_manifest_options *m = &a->options->manifest; /* its file is in the command */
	const struct thaw_pair given[] = {{"mean", (char *)images->mean},
					  {"std", (char *)images->std},
					  {"crop", (char *)images->crop},
					  {"interpolation", (char *)images->interpolation},
					  {"path-column", (char *)m->path_column},
					  {"label-column", (char *)m->label_column},
					  {"split-column", (char *)m->split_column},
					  {"group-column", (char *)m->group_column},
					  {"weight-column", (char *)m->weight_column},
					  {"task", (char *)m->task},
					  {"grades", (char *)m->grades},
					  {"group-by", (char *)a->options->parts.group_by}};
	for (size_t i = 0; train && i < sizeof(given) / sizeof(*given); i++)
		if (given[i].value)
			json_object_set_new(train, given[i].key, thaw_report_string(given[i].value));
	if (train && a->options->precision != THAW_PRECISION_FP32)
		json_object_set_new(train, "precision", json_string(thaw_precision_name(a->options->precision)));
	if (train && a->options->parts.folds > 0) {
		json_object_set_new(train, "folds", json_integer(a->options->parts.folds));
		json_object_set_new(train, "fold", json_integer(a->options->parts.fold));
	}
	if (train && a->options->per_class > 0)
		json_object_set_new(train, "per-class", json_integer(a->options->per_class));
	return train;
}

bool thaw_advice_plan_fits(const struct advice *a, int cut)
{
	struct thaw_training_cost c = thaw_advice_training_cost(a, cut);
	return c.hours <= a->budget.hours && c.core_hours <= a->budget.core_hours;
}

int thaw_advice_plan_choose(const struct advice *a)
{
	int best = -1;
	if (!a->probed)
		return -1;
	if (thaw_advice_plan_fits(a, a->choice.best))
		return a->choice.best;
	for (int c = 0; c < a->cut_count; c++)
		if (thaw_advice_plan_fits(a, c) &&
		    (best < 0 || a->choice.expected[c].accuracy > a->choice.expected[best].accuracy))
			best = c;
	return best;
}

json_t *thaw_advice_plan_json(const struct advice *a, int cut)
{
	struct thaw_training_cost c = thaw_advice_training_cost(a, cut);
	struct thaw_expected expected = a->choice.expected[cut];
	if (a->has_history)
		thaw_calibration_apply(&a->calibration, &expected);
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:f, s:f, s:f}, s:b}", "thaw", "plan", "network",
			 thaw_report_string(a->model->variant), "data_digest",
			 json_sprintf("%016llx", (unsigned long long)a->data_digest), "train", train_json(a, cut),
			 "expected", thaw_expected_json(&expected), "uncalibrated",
			 thaw_expected_json(&a->choice.expected[cut]), "cost", "ranks", c.ranks, "hours", c.hours,
			 "core_hours", c.core_hours, "mebibytes", c.mebibytes, "fits", thaw_advice_plan_fits(a, cut));
}

/* A copy of the word for a shell command line, quoted if necessary. */
static char *quoted(const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=+-";
	if (*word && strspn(word, plain) == strlen(word))
		return thaw_strdup(word);
	char *text = thaw_alloc(4 * strlen(word) + 3, 1), *to = text;
	if (!text)
		return NULL;
	*to++ = '\'';
	for (; *word; word++)
		if (*word == '\'')
			to = stpcpy(to, "'\\''");
		else
			*to++ = *word;
	*to = '\'';
	return text;
}

/* " --data D", or " --manifest M", or both, quoted. */
static char *data_flags(const struct thaw_advise_options *o)
{
	char *data = quoted(o->data ? o->data : ""), *manifest = quoted(o->manifest.file ? o->manifest.file : "");
	char *flags = data && manifest
			      ? thaw_format("%s%s%s%s", o->data ? " --data " : "", o->data ? data : "",
					    o->manifest.file ? " --manifest " : "", o->manifest.file ? manifest : "")
			      : NULL;
	thaw_free(data);
	thaw_free(manifest);
	return flags;
}

char *thaw_advice_command(const struct advice *a)
{
	if (a->plan < 0)
		return NULL;
	char *model = quoted(a->options->model), *data = data_flags(a->options);
	char *out = quoted(a->options->out ? a->options->out : ".");
	char *command = model && data && out
				? thaw_format("mpirun -np %d thaw train --plan %s/plan.json --model %s%s --out RUN",
					      a->rank_count, out, model, data)
				: NULL;
	thaw_free(model);
	thaw_free(data);
	thaw_free(out);
	return command;
}
