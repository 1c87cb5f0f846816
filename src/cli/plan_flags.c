/* The flags in a training plan: JSON values as text, to be parsed by the option table. */
#include "src/cli/plan_flags.h"

#include <jansson.h>

#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/training_plan.h"

/* A JSON string, number or boolean as it would be given on the command line; numbers are exact. */
static char *value_text(const json_t *value)
{
	if (json_is_string(value))
		return thaw_strdup(json_string_value(value));
	if (json_is_integer(value))
		return thaw_format("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	if (json_is_real(value))
		return thaw_format("%.17g", json_real_value(value));
	return thaw_strdup(json_is_true(value) ? "true" : "false");
}

static thaw_status read_flags(struct config *c, json_t *flags)
{
	c->entries = thaw_alloc(json_object_size(flags), sizeof(*c->entries));
	if (!c->entries)
		return THAW_RESOURCE;
	const char *name;
	json_t *value;
	json_object_foreach(flags, name, value)
	{
		struct config_entry *entry = &c->entries[c->count++];
		*entry = (struct config_entry){.key = thaw_strdup(name), .value = value_text(value)};
		if (!entry->key || !entry->value)
			return THAW_RESOURCE;
	}
	return THAW_OK;
}

thaw_status plan_flags_read(struct config **config, const char *path)
{
	json_t *plan;
	THAW_TRY(thaw_training_plan_read(&plan, path));
	struct config *c = thaw_alloc(1, sizeof(*c));
	thaw_status status = c && (c->path = thaw_strdup(path)) ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK)
		status = read_flags(c, json_object_get(plan, "train"));
	json_decref(plan);
	if (status == THAW_OK)
		*config = c;
	else
		config_free(c);
	return status;
}
