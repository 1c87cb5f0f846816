/* Preprocessing as in timm's pretrained_cfg. Internal to src/model. */
#ifndef THAW_SRC_MODEL_PREPROCESS_TIMM_H
#define THAW_SRC_MODEL_PREPROCESS_TIMM_H

#include "src/model/config_values.h"
#include "thaw/transform.h"

/* Whether the object has timm's keys: in pretrained_cfg, or itself. `loose`: any of them will do, not only input_size;
 * some of the others are keys of transformers, too. */
bool thaw_preprocess_timm_probe(const json_t *object, bool loose);

/* Reads input_size, crop_pct, crop_mode, interpolation, mean and std; timm's defaults where they are absent. */
thaw_status thaw_preprocess_timm_read(struct thaw_preprocess *p, const struct thaw_config *file);

#endif
