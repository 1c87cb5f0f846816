/* See config_labels.h. */
#include "src/model/config_labels.h"

#include <stdio.h>
#include <string.h>

#include "thaw/memory.h"

/* The name of class i; NULL if it has none, or a placeholder. */
static const char *name_of(const json_t *config, int64_t i)
{
	char key[32];
	const json_t *names = json_object_get(config, "label_names");
	if (json_is_array(names))
		return json_string_value(json_array_get(names, (size_t)i));
	snprintf(key, sizeof(key), "%lld", (long long)i);
	const char *name = json_string_value(json_object_get(json_object_get(config, "id2label"), key));
	return name && strncmp(name, "LABEL_", strlen("LABEL_")) == 0 ? NULL : name;
}

static bool names_all(const json_t *config, int64_t classes)
{
	for (int64_t i = 0; i < classes; i++)
		if (!name_of(config, i))
			return false;
	return classes > 0;
}

thaw_status thaw_model_read_config_labels(struct thaw_model *m, const json_t *config)
{
	if (!names_all(config, m->classes))
		return THAW_OK;
	m->labels = thaw_alloc((size_t)m->classes, sizeof(*m->labels));
	for (int64_t i = 0; m->labels && i < m->classes; i++)
		if (!(m->labels[i] = thaw_strdup(name_of(config, i))))
			return THAW_RESOURCE;
	return m->labels ? THAW_OK : THAW_RESOURCE;
}
