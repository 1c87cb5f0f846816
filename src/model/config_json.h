/* How a network wants its images, from the JSON that timm and Hugging Face put beside its weights. Internal to
 * src/model. */
#ifndef THAW_SRC_MODEL_CONFIG_JSON_H
#define THAW_SRC_MODEL_CONFIG_JSON_H

#include "thaw/transform.h"

/* Looks in the folder of model_path for config.json (timm's pretrained_cfg) and preprocessor_config.json
 * (transformers). *from becomes the name of the file that was read, NULL when there is none; what it does not say stays
 * as it is in *p. THAW_DATA when it is no JSON or describes no input. */
thaw_status thaw_config_json_read(struct thaw_preprocess *p, const char **from, const char *model_path);

#endif
