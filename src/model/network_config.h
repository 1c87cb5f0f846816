/* The config.json beside a file of weights, which describes the network. Internal to src/model. */
#ifndef THAW_SRC_MODEL_NETWORK_CONFIG_H
#define THAW_SRC_MODEL_NETWORK_CONFIG_H

#include <jansson.h>

#include "thaw/error.h"

/* *config: a new reference; NULL if there is no such file. `source`: the file of the weights. THAW_IO if it cannot be
 * read, THAW_DATA if it is not a JSON object. */
thaw_status thaw_network_config_read(json_t **config, const char *source);

#define THAW_CONFIG_KEY "thaw.config" /* of the metadata of a file that Thaw wrote: the recorded config.json */

/* What a file of a trained network records of a config.json: all but the names of classes, which are those of other
 * images. *record: a new reference; NULL if it is too large to be recorded. */
thaw_status thaw_network_config_record(json_t **record, const json_t *config);
/* Reads such a record. THAW_DATA, with `file` in the message, if it is invalid. */
thaw_status thaw_network_config_read_record(json_t **record, const char *text, const char *file);

#endif
