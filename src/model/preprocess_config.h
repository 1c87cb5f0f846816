/* Preprocessing from the JSON files that timm and Hugging Face ship with their weights. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PREPROCESS_CONFIG_H
#define THAW_SRC_MODEL_PREPROCESS_CONFIG_H

#include "thaw/transform.h"

/* Reads preprocessor_config.json (transformers) or config.json (timm's pretrained_cfg) from the folder of model_path,
 * or from the one above a folder onnx. *from becomes the name of the file; it is NULL, and *p unchanged, if there is
 * none. Returns THAW_DATA if the file is not valid JSON, and THAW_CONFIG if it has a key or value that is not
 * supported. */
thaw_status thaw_preprocess_config_read(struct thaw_preprocess *p, const char **from, const char *model_path);

#endif
