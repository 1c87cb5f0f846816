/* Reads and validates plan files; callers may rely on the result. */
#include "thaw/training_plan.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define LARGEST_FILE (1 << 20) /* bytes; a plan is about a page of text */

bool thaw_expected_read(struct thaw_expected *expected, const json_t *object)
{
	const json_t *accuracy = json_object_get(object, "accuracy");
	const json_t *low = json_object_get(object, "low"), *high = json_object_get(object, "high");
	if (!json_is_number(accuracy) || !json_is_number(low) || !json_is_number(high))
		return false;
	struct thaw_expected e = {json_number_value(accuracy), json_number_value(low), json_number_value(high)};
	if (!(0.0 <= e.low && e.low <= e.accuracy && e.accuracy <= e.high && e.high <= 1.0))
		return false;
	*expected = e;
	return true;
}

json_t *thaw_expected_json(const struct thaw_expected *expected)
{
	return json_pack("{s:f, s:f, s:f}", "accuracy", expected->accuracy, "low", expected->low, "high",
			 expected->high);
}

static thaw_status check_flags(const json_t *plan, const char *path)
{
	const char *name;
	json_t *value;
	json_object_foreach(json_object_get(plan, "train"), name, value)
	{
		if (json_is_null(value))
			return thaw_fail(THAW_CONFIG, "a flag without a value: %s: %s: give a value or remove it", path,
					 name);
		if (json_is_array(value) || json_is_object(value))
			return thaw_fail(THAW_CONFIG, "not a single value: %s: %s: give a word or a number", path,
					 name);
	}
	return THAW_OK;
}

static thaw_status check_plan(const json_t *plan, const char *path)
{
	const char *kind = json_string_value(json_object_get(plan, "thaw"));
	const json_t *uncalibrated = json_object_get(plan, "uncalibrated");
	struct thaw_expected expected;
	if (!kind || strcmp(kind, "plan") != 0)
		return thaw_fail(THAW_CONFIG, "not a plan: %s: give a file that thaw advise wrote", path);
	if (!json_is_object(json_object_get(plan, "train")))
		return thaw_fail(THAW_CONFIG,
				 "no flags in the plan: %s: \"train\" is missing: write it again with thaw advise",
				 path);
	if (!thaw_expected_read(&expected, json_object_get(plan, "expected")) ||
	    (uncalibrated && !thaw_expected_read(&expected, uncalibrated)))
		return thaw_fail(
			THAW_CONFIG,
			"no valid prediction in the plan: %s: it needs 0 <= low <= accuracy <= high <= 1: write "
			"it again with thaw advise",
			path);
	return check_flags(plan, path);
}

thaw_status thaw_training_plan_read(json_t **plan, const char *path)
{
	void *bytes;
	size_t size;
	json_error_t error;
	THAW_TRY(thaw_file_read(&bytes, &size, path, LARGEST_FILE));
	json_t *object = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
	thaw_free(bytes);
	if (!object && json_error_code(&error) == json_error_out_of_memory)
		return thaw_fail(THAW_RESOURCE, "out of memory: %s", path);
	if (!object)
		return thaw_fail(THAW_CONFIG, "not JSON: %s:%d: %s", path, error.line, error.text);
	thaw_status status = check_plan(object, path);
	if (status == THAW_OK)
		*plan = object;
	else
		json_decref(object);
	return status;
}
