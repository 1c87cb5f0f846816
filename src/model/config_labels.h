/* Names of classes from the config.json beside a file of weights. Internal to src/model. */
#ifndef THAW_SRC_MODEL_CONFIG_LABELS_H
#define THAW_SRC_MODEL_CONFIG_LABELS_H

#include "thaw/model.h"

/* Sets m->labels to the names of transformers' id2label or timm's label_names, if there is one for each class. Names
 * that say no more than the number, such as "LABEL_3", are left out. */
thaw_status thaw_model_read_config_labels(struct thaw_model *m, const char *source);

#endif
