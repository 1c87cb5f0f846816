/* Preprocessing from the JSON files that timm and Hugging Face ship with their weights. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PREPROCESS_CONFIG_H
#define THAW_SRC_MODEL_PREPROCESS_CONFIG_H

#include "thaw/transform.h"

/* Reads config.json (timm's pretrained_cfg) or preprocessor_config.json (transformers) from the folder of model_path.
 * *from becomes the name of the file, or NULL if there is none. Members of *p that the file does not define are
 * unchanged. Returns THAW_DATA if the file is not valid JSON or its values are invalid. */
thaw_status thaw_preprocess_config_read(struct thaw_preprocess *p, const char **from, const char *model_path);

#endif
