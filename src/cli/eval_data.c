#include "src/cli/eval_data.h"

#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/cli/log.h"
#include "thaw/exclude.h"
#include "thaw/found.h"
#include "thaw/memory.h"

static enum thaw_split split_of_word(const char *word)
{
	static const struct {
		const char *word;
		enum thaw_split split;
	} words[] = {{"train", THAW_SPLIT_TRAIN}, {"val", THAW_SPLIT_VAL}, {"all", THAW_SPLIT_ALL}};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i].word) == 0)
			return words[i].split;
	return THAW_SPLIT_TEST;
}

/* Replaces what was given; the file is never the run's. */
static void choose_manifest(struct thaw_manifest_options *o, const struct thaw_manifest_options *given)
{
	const struct {
		const char **to, *from;
	} texts[] = {{&o->path_column, given->path_column},
		     {&o->label_column, given->label_column},
		     {&o->split_column, given->split_column},
		     {&o->group_column, given->group_column},
		     {&o->weight_column, given->weight_column},
		     {&o->label_separator, given->label_separator},
		     {&o->task, given->task},
		     {&o->grades, given->grades}};
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i].from)
			*texts[i].to = texts[i].from;
	o->file = given->file;
}

/* The flags, else what the run was started with, else the defaults of thaw train. */
static struct thaw_dataset_options choose_options(const struct eval_choice *choice,
						  const struct thaw_run_record *record)
{
	struct thaw_train_options train;
	thaw_train_defaults(&train);
	struct thaw_dataset_options o = {.test_share = train.test_share, .seed = (uint64_t)train.seed};
	if (record->found)
		o = record->options;
	if (choice->test_share >= 0)
		o.test_share = choice->test_share;
	if (choice->seed >= 0)
		o.seed = (uint64_t)choice->seed;
	choose_manifest(&o.manifest, &choice->manifest);
	if (choice->parts.folds > 0 || choice->parts.fold > 0) {
		o.parts.folds = choice->parts.folds;
		o.parts.fold = choice->parts.fold;
	}
	if (choice->parts.group_by)
		o.parts.group_by = choice->parts.group_by;
	return o;
}

/* Some images may have been removed since the run began; a folder without most of them is another dataset. manifest:
 * its file, or NULL. */
static bool has_training_images(const char *data, const char *manifest, const struct thaw_run_record *record)
{
	struct thaw_dataset train = {0};
	struct thaw_dataset_options o = record->options;
	o.manifest.file = manifest;
	bool same = thaw_dataset_open(&train, data, THAW_SPLIT_TRAIN, &o) == THAW_OK &&
		    thaw_dataset_digest(&train) == record->data && 2 * train.found->missing <= train.count;
	thaw_dataset_close(&train);
	return same;
}

/* Whether the training images of the dataset are those of the run. The folder may be test/ of it. */
static bool is_data_of_run(const struct eval_data *d, const struct eval_choice *choice,
			   const struct thaw_run_record *record)
{
	if (has_training_images(choice->data, choice->manifest.file, record))
		return true;
	if (d->dataset.found->held_out || d->dataset.found->split == THAW_SPLIT_ALL || d->dataset.found->manifest)
		return false;
	char *above = thaw_format("%s/..", choice->data);
	bool same = above && has_training_images(above, NULL, record);
	thaw_free(above);
	return same;
}

/* Another random split of the run's own images holds out images that were trained on. */
static thaw_status check_split(const struct thaw_run_record *record, const struct thaw_dataset_options *o)
{
	if (o->seed != record->options.seed)
		return thaw_fail(THAW_CONFIG,
				 "training images would be counted: --seed %llu: the run was trained with --seed %llu; "
				 "leave --seed out",
				 (unsigned long long)o->seed, (unsigned long long)record->options.seed);
	if (o->test_share > record->options.test_share)
		return thaw_fail(THAW_CONFIG,
				 "training images would be counted: --test-share %g: the run was trained with "
				 "--test-share %g; leave --test-share out",
				 o->test_share, record->options.test_share);
	const struct thaw_parts_options *is = &o->parts, *was = &record->options.parts;
	if (is->folds != was->folds || is->fold != was->fold)
		return thaw_fail(THAW_CONFIG,
				 "training images would be counted: --folds %d --fold %d: the run was trained with "
				 "--folds %d --fold %d; leave both out",
				 is->folds, is->fold, was->folds, was->fold);
	if (strcmp(is->group_by ? is->group_by : "", was->group_by ? was->group_by : "") != 0)
		return thaw_fail(
			THAW_CONFIG,
			"training images would be counted: --group-by %s: the run was trained with other groups; "
			"leave it out",
			is->group_by ? is->group_by : "");
	return THAW_OK;
}

static thaw_status describe_origin(struct eval_data *d, const struct eval_choice *choice,
				   const struct thaw_run_record *record, const struct thaw_dataset_options *o)
{
	const struct thaw_found *found = d->dataset.found;
	bool held_out = found->held_out && found->split != THAW_SPLIT_TRAIN;
	if (record->found && is_data_of_run(d, choice, record)) {
		if (found->split == THAW_SPLIT_ALL)
			snprintf(d->origin, sizeof(d->origin), "the run was trained on most of these images");
		return held_out ? check_split(record, o) : THAW_OK;
	}
	if (record->found)
		snprintf(d->origin, sizeof(d->origin),
			 "the run was trained on other images than those of %s, or they have changed: whether it was "
			 "trained on some of these is not known%s",
			 thaw_dataset_place(choice->data, &choice->manifest),
			 held_out ? "; --split all counts all images" : "");
	else
		snprintf(d->origin, sizeof(d->origin),
			 "%s is not of a run: whether it was trained on some of these images is not known",
			 choice->model);
	return THAW_OK;
}

/* After the split, so that the images which the run held out stay the ones that are measured. */
static thaw_status remove_excluded(struct eval_data *d, const char *path)
{
	struct thaw_exclude exclude;
	int64_t before = d->dataset.count;
	THAW_TRY(thaw_exclude_read(&exclude, path));
	thaw_status status = thaw_dataset_remove(&d->dataset, &exclude);
	if (status == THAW_OK && d->dataset.count == before && exclude.count > 0)
		snprintf(d->excluded, sizeof(d->excluded), "none of the %lld names in %s is among these images",
			 (long long)exclude.count, path);
	thaw_exclude_free(&exclude);
	return status;
}

thaw_status eval_data_open(struct eval_data *d, const struct eval_choice *choice)
{
	struct thaw_run_record record;
	THAW_TRY(thaw_run_record_read(&record, choice->model));
	struct thaw_dataset_options o = choose_options(choice, &record);
	if (o.known && !has_training_images(choice->data, choice->manifest.file, &record))
		o.known = NULL; /* other images than the run's */
	thaw_status status = thaw_dataset_open(&d->dataset, choice->data, split_of_word(choice->split), &o);
	if (status == THAW_OK)
		status = describe_origin(d, choice, &record, &o);
	if (status == THAW_OK && choice->exclude)
		status = remove_excluded(d, choice->exclude);
	thaw_run_record_close(&record);
	return status;
}

static void write_line(void *context, const char *line)
{
	log_line(context, "%s", line);
}

void eval_data_log(const struct eval_data *d, struct thaw_comm *comm, const char *place)
{
	const struct thaw_dataset *part = &d->dataset;
	json_t *found = thaw_found_json(place, &part, 1);
	thaw_found_lines(found, write_line, comm);
	json_decref(found);
	if (d->excluded[0])
		log_line(comm, "note: %s", d->excluded);
}

/* How many classes of the data the network has by name. *other: one that it does not have. */
static int count_matches(const struct thaw_dataset *d, const struct thaw_model *model, const char **other)
{
	int matches = 0;
	for (int c = 0; c < d->classes; c++) {
		bool found = thaw_class_number(model->labels, model->classes, d->class_names[c]) >= 0;
		matches += found;
		if (!found && !*other)
			*other = d->class_names[c];
	}
	return matches;
}

static bool same_order(const struct thaw_dataset *d, const struct thaw_model *model)
{
	for (int c = 0; c < d->classes; c++)
		if (thaw_class_number(model->labels, model->classes, d->class_names[c]) != c)
			return false;
	return d->classes == model->classes;
}

/* None of the names is known: synonyms, such as WordNet's numbers for ImageNet's names, have the same order. */
static thaw_status match_by_number(struct eval_data *e, const struct thaw_model *model, const char *path)
{
	const struct thaw_dataset *d = &e->dataset;
	if (model->classes != d->classes)
		return thaw_fail(THAW_CONFIG,
				 "the network has %lld classes and the dataset %d: %s: fine-tune the network on these "
				 "classes with thaw train first",
				 (long long)model->classes, d->classes, path);
	if (model->labels)
		snprintf(e->classes, sizeof(e->classes),
			 "no class of the data has the name of a class of the network (class 0 is \"%.80s\" in the "
			 "network and \"%.80s\" in the data): classes are matched by number",
			 model->labels[0], d->class_names[0]);
	else
		snprintf(e->classes, sizeof(e->classes),
			 "the network has no class names: classes are matched by number");
	return THAW_OK;
}

thaw_status eval_data_match(struct eval_data *e, const struct thaw_model *model, const char *path)
{
	struct thaw_dataset *d = &e->dataset;
	const char *other = NULL;
	THAW_TRY(thaw_model_check_task(model, d->task, path));
	int matches = model->labels ? count_matches(d, model, &other) : 0;
	if (matches == 0)
		return match_by_number(e, model, path);
	if (other)
		return thaw_fail(
			THAW_CONFIG,
			"class \"%s\" is not a class of the network (%d of the %d are): %s: rename or remove its "
			"folder, or fine-tune the network on these classes with thaw train",
			other, matches, d->classes, path);
	if (same_order(d, model))
		return THAW_OK;
	if (d->classes < model->classes)
		snprintf(e->classes, sizeof(e->classes), "the data have %d of the network's %lld classes", d->classes,
			 (long long)model->classes);
	else
		snprintf(e->classes, sizeof(e->classes),
			 "the classes of the data and the network differ in their order: they are matched by name");
	return thaw_dataset_match_classes(d, model->labels, model->classes);
}
