/* The prediction of a plan, recorded when a run starts and compared with its result.
 *
 * A run that starts with --plan first writes a copy of it, plan.json, then its config.json. So every started run has
 * its plan, whenever it was killed; a plan given later, when a part of the result is known, is ignored. Rank 0 only. */
#include <string.h>
#include <unistd.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "thaw/memory.h"
#include "thaw/report.h"
#include "thaw/training_plan.h"

#define SECONDS_PER_HOUR 3600.0

/* Members that have different names in a plan and in a configuration. */
static const struct {
	const char *plan, *config;
} also_compared[] = {
	{"network", "variant"},
	{"data_digest", "data"},
};

/* The name of the first setting in which the run differs from its plan; NULL: none. */
static const char *find_difference(json_t *plan, const json_t *config)
{
	const char *name;
	json_t *planned;
	json_object_foreach(json_object_get(plan, "train"), name, planned)
	{
		const json_t *actual = json_object_get(config, name); /* only settings that decide the result */
		if (actual && !run_same_setting(planned, actual))
			return name;
	}
	for (size_t i = 0; i < sizeof(also_compared) / sizeof(*also_compared); i++) {
		planned = json_object_get(plan, also_compared[i].plan);
		if (planned && !run_same_setting(planned, json_object_get(config, also_compared[i].config)))
			return also_compared[i].plan;
	}
	return NULL;
}

/* A new run: copies the plan. */
static thaw_status open_new(struct run *r, const char *copy)
{
	const char *path = r->options.plan;
	if (!path && access(copy, F_OK) == 0)
		return thaw_fail(THAW_CONFIG, "a plan is already there: %s: give it with --plan, or remove it", copy);
	if (!path)
		return THAW_OK;
	THAW_TRY(thaw_training_plan_read(&r->plan_file, path));
	return thaw_report_file(copy, r->plan_file);
}

/* A resumed run: reads the copy; --plan is only compared with it. */
static thaw_status open_resumed(struct run *r, const char *copy)
{
	const char *path = r->options.plan;
	json_t *given = NULL;
	if (access(copy, F_OK) == 0)
		THAW_TRY(thaw_training_plan_read(&r->plan_file, copy));
	if (path)
		THAW_TRY(thaw_training_plan_read(&given, path));
	if (path && !r->plan_file)
		run_log(r,
			"this run was started without a plan, so its result will have no prediction: --plan %s is "
			"ignored",
			path);
	else if (path && !json_equal(json_object_get(given, "expected"), json_object_get(r->plan_file, "expected")))
		run_log(r, "this run keeps the prediction it was started with: %s", copy);
	json_decref(given);
	return THAW_OK;
}

thaw_status run_plan_open(struct run *r, bool new_run, const json_t *config)
{
	char *copy = thaw_format("%s/plan.json", r->options.out);
	if (!copy)
		return THAW_RESOURCE;
	thaw_status status = new_run ? open_new(r, copy) : open_resumed(r, copy);
	thaw_free(copy);
	const char *difference = status == THAW_OK && r->plan_file ? find_difference(r->plan_file, config) : NULL;
	r->as_planned = !difference;
	if (difference)
		run_log(r, "this run differs from its plan: %s: the prediction does not apply to it", difference);
	return status;
}

thaw_status run_plan_add_result(const struct run *r, json_t *summary)
{
	struct thaw_expected e;
	if (!r->plan_file || !thaw_expected_read(&e, json_object_get(r->plan_file, "expected")))
		return THAW_OK;
	json_t *network = json_object_get(r->plan_file, "network");
	json_t *hours = json_object_get(json_object_get(r->plan_file, "cost"), "hours");
	double top1 = json_number_value(json_object_get(summary, "top1"));
	json_t *result =
		json_pack("{s:o, s:O*, s:o, s:b, s:b, s:O*, s:f}", "predicted", thaw_expected_json(&e), "uncalibrated",
			  json_object_get(r->plan_file, "uncalibrated"), "network",
			  json_is_string(network) ? json_incref(network) : json_string(r->model->variant), "inside",
			  top1 >= e.low && top1 <= e.high, "as_planned", r->as_planned, "predicted_hours", hours,
			  "hours", json_number_value(json_object_get(summary, "seconds")) / SECONDS_PER_HOUR);
	bool complete = result && json_object_update(summary, result) == 0;
	json_decref(result);
	return complete ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory: the prediction");
}

void run_plan_close(struct run *r)
{
	json_decref(r->plan_file);
	r->plan_file = NULL;
}
