/* Values of a JSON configuration, each checked: an error names the key, the file and the way out. Internal to
 * src/model.
 */
#ifndef THAW_SRC_MODEL_CONFIG_VALUES_H
#define THAW_SRC_MODEL_CONFIG_VALUES_H

#include <jansson.h>
#include <stdbool.h>

#include "thaw/error.h"

struct thaw_config {
	const json_t *object;
	const char *path; /* for messages */
};

/* The value of `key`, or NULL if it is absent or null. */
const json_t *thaw_config_get(const struct thaw_config *c, const char *key);

/* Returns THAW_CONFIG with a message that has the key, its value and the reason. */
thaw_status thaw_config_refuse(const struct thaw_config *c, const char *key, const char *why);

/* An absent key leaves the value unchanged. Returns THAW_CONFIG if the value has another type or is not finite. */
thaw_status thaw_config_flag(const struct thaw_config *c, const char *key, bool *flag);
thaw_status thaw_config_number(const struct thaw_config *c, const char *key, double *number);
thaw_status thaw_config_text(const struct thaw_config *c, const char *key, const char **text);
thaw_status thaw_config_colour(const struct thaw_config *c, const char *key, double colour[3]); /* or one number */

/* A side in pixels; 0 if the value is not valid. */
int thaw_config_side(const json_t *number);

#endif
