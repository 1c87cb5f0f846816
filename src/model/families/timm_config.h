/* What families read from a config.json of timm or transformers, and from options that Thaw recorded. */
#ifndef THAW_SRC_MODEL_FAMILIES_TIMM_CONFIG_H
#define THAW_SRC_MODEL_FAMILIES_TIMM_CONFIG_H

#include <jansson.h>

#include "src/model/families/nonlinearity.h"
#include "thaw/error.h"

/* Fails with THAW_CONFIG: config.json beside `source` describes a network that the family does not build, by a key and
 * its value (NULL: not a text). */
thaw_status thaw_refuse_config(const char *family, const char *key, const char *value, const char *source);

/* The text of a key, `fallback` if it is absent or null, or NULL if it is of another type. */
const char *thaw_config_text_of(const json_t *config, const char *key, const char *fallback);

/* Reads the function that a key such as "hidden_act" names; *function is unchanged if it is absent or null.
 * THAW_CONFIG, naming the key, if it is not known. */
thaw_status thaw_config_function(enum thaw_nonlinearity *function, const json_t *config, const char *key,
				 const char *family, const char *source);

/* Refuses model_args that are neither in the NULL-terminated list nor of training, such as drop_rate, and a global_pool
 * other than the mean. */
thaw_status thaw_check_timm_arguments(const json_t *config, const char *const *known, const char *family,
				      const char *source);

/* THAW_RESOURCE if an object of options could not be made and is NULL. */
thaw_status thaw_check_options_made(const json_t *options);
/* Fails with THAW_CONFIG: recorded options are not those of the family. */
thaw_status thaw_refuse_options(const char *family);

#endif
