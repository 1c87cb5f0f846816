/* The configuration of a network as timm or transformers read it. Internal to src/model. */
#ifndef THAW_SRC_MODEL_HUB_CONFIG_H
#define THAW_SRC_MODEL_HUB_CONFIG_H

#include "thaw/model.h"

/* What a directory of the Hub has besides the weights. New references. */
struct thaw_hub_config {
	json_t *network;   /* config.json */
	json_t *processor; /* preprocessor_config.json; NULL: timm has it in config.json */
};

/* Fails like thaw_model_save_hub. The caller frees *c, also on failure. */
thaw_status thaw_hub_config_make(struct thaw_hub_config *c, const struct thaw_model *m, bool half);
void thaw_hub_config_free(struct thaw_hub_config *c);

/* The preprocessing as transformers' preprocessor_config.json, and as members of timm's pretrained_cfg. THAW_CONFIG if
 * they cannot express it. */
thaw_status thaw_hub_processor(json_t **processor, const struct thaw_preprocess *p);
thaw_status thaw_hub_set_timm_preprocess(json_t *pretrained, const struct thaw_preprocess *p);

#endif
