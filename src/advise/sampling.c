#include "src/advise/sampling.h"

#include <stdio.h>

#include "src/base/minmax.h"
#include "src/base/try.h"

#define MAX_IMAGES    2048
#define MIN_PER_CLASS 2
#define DEFAULT_LANES 8

thaw_status thaw_sample_check(const struct thaw_dataset *d, const char *place)
{
	if (d->task == THAW_TASK_CLASS)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "probes need one class per image, the data have %s: %s: choose what to unfreeze by short "
			 "trainings",
			 thaw_task_phrase(d->task), place);
}

thaw_status thaw_advise_data_options(struct thaw_dataset_options *options, struct thaw_exclude *exclude,
				     const struct thaw_advise_options *o)
{
	*exclude = (struct thaw_exclude){0};
	if (o->exclude)
		THAW_TRY(thaw_exclude_read(exclude, o->exclude));
	*options = (struct thaw_dataset_options){.test_share = o->test_share,
						 .seed = (uint64_t)o->seed,
						 .limit_per_class = o->per_class,
						 .manifest = o->manifest,
						 .parts = o->parts,
						 .exclude = o->exclude ? exclude : NULL};
	return THAW_OK;
}

static thaw_status open_limited(struct thaw_dataset *d, const struct thaw_advise_options *o, int64_t per_class)
{
	struct thaw_exclude exclude;
	struct thaw_dataset_options dataset_options;
	THAW_TRY(thaw_advise_data_options(&dataset_options, &exclude, o));
	dataset_options.limit_per_class = per_class;
	thaw_status status = thaw_dataset_open(d, o->data, THAW_SPLIT_TRAIN, &dataset_options);
	thaw_exclude_free(&exclude);
	THAW_TRY(status);
	status = thaw_sample_check(d, thaw_dataset_place(o->data, &o->manifest));
	if (status != THAW_OK)
		thaw_dataset_close(d);
	return status;
}

/* The limit per class depends on the number of classes, which is known only after opening. */
thaw_status thaw_sample_open(struct thaw_dataset *d, const struct thaw_advise_options *o)
{
	THAW_TRY(open_limited(d, o, o->per_class));
	if (d->count <= MAX_IMAGES)
		return THAW_OK;
	int64_t per_class = max_int64(MAX_IMAGES / d->classes, MIN_PER_CLASS);
	if (o->per_class > 0 && o->per_class <= per_class)
		return THAW_OK;
	thaw_dataset_close(d);
	return open_limited(d, o, per_class);
}

int thaw_advise_lanes(const struct thaw_advise_options *o, const struct thaw_comm *comm)
{
	return o->lanes > 0 ? o->lanes : max_int(comm->size, DEFAULT_LANES);
}

static void write_line(void *context, const char *line)
{
	const struct thaw_callbacks *callbacks = context;
	callbacks->log(callbacks->context, line);
}

void thaw_log_found(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const json_t *found)
{
	struct thaw_callbacks copy = callbacks ? *callbacks : (struct thaw_callbacks){.log = NULL};
	if (comm->rank == 0 && copy.log)
		thaw_found_lines(found, write_line, &copy);
}

void thaw_log_preprocess(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const char *prefix,
			 const struct thaw_model *model)
{
	char text[THAW_PREPROCESS_LINE], line[2 * THAW_PREPROCESS_LINE];
	if (comm->rank != 0 || !callbacks || !callbacks->log)
		return;
	snprintf(line, sizeof(line), "%s%s", prefix, thaw_model_preprocess_line(model, text, sizeof(text)));
	callbacks->log(callbacks->context, line);
}
