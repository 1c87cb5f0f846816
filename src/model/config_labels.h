/* Names of classes from the config.json of a network. Internal to src/model. */
#ifndef THAW_SRC_MODEL_CONFIG_LABELS_H
#define THAW_SRC_MODEL_CONFIG_LABELS_H

#include "thaw/model.h"

/* Sets m->labels to the names of transformers' id2label or timm's label_names, if each class has one other than
 * transformers' placeholder, such as "LABEL_3". config: NULL: there is none. */
thaw_status thaw_model_read_config_labels(struct thaw_model *m, const json_t *config);

#endif
