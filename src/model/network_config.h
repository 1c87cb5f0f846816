/* The config.json beside a file of weights, which describes the network. Internal to src/model. */
#ifndef THAW_SRC_MODEL_NETWORK_CONFIG_H
#define THAW_SRC_MODEL_NETWORK_CONFIG_H

#include <jansson.h>

#include "thaw/error.h"

/* *config: a new reference; NULL if there is no such file. `source`: the file of the weights. THAW_IO if it cannot be
 * read, THAW_DATA if it is not a JSON object. */
thaw_status thaw_network_config_read(json_t **config, const char *source);

#endif
