/* Preprocessing as in timm's pretrained_cfg. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PREPROCESS_TIMM_H
#define THAW_SRC_MODEL_PREPROCESS_TIMM_H

#include "src/model/config_values.h"
#include "thaw/transform.h"

/* Whether a config.json has timm's keys: in pretrained_cfg, or itself. */
bool thaw_preprocess_timm_probe(const json_t *object);

/* Reads input_size, crop_pct, crop_mode, interpolation, mean and std; timm's defaults where they are absent. */
thaw_status thaw_preprocess_timm_read(struct thaw_preprocess *p, const struct thaw_config *file);

#endif
