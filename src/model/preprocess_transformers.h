/* Preprocessing as in the preprocessor_config.json of transformers. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PREPROCESS_TRANSFORMERS_H
#define THAW_SRC_MODEL_PREPROCESS_TRANSFORMERS_H

#include "src/model/config_values.h"
#include "thaw/transform.h"

/* Reads all keys that change pixels; absent keys have the defaults of the processor's type. Returns THAW_CONFIG, with
 * the key in the message, for what Thaw does not do. */
thaw_status thaw_preprocess_transformers_read(struct thaw_preprocess *p, const struct thaw_config *c);

#endif
