/* The networks of timm's EfficientNet builder, shared by efficientnet.c, which builds them, and efficientnet_options.c,
 * which reads the configurations of transformers. */
#ifndef THAW_SRC_MODEL_FAMILIES_EFFICIENTNET_H
#define THAW_SRC_MODEL_FAMILIES_EFFICIENTNET_H

#include <jansson.h>

#include "src/model/families/inverted.h"

#define THAW_EFFICIENTNET_STAGES 15
#define THAW_EFFICIENTNET_BLOCKS 256

/* Traits with the memory of what they point to. */
struct thaw_efficientnet {
	struct thaw_inverted_traits traits;
	char strides[THAW_EFFICIENTNET_STAGES + 1];
	bool symmetric[THAW_EFFICIENTNET_BLOCKS];
};

/* Takes from a config.json of transformers what the tensors do not show: a new object for struct thaw_model.
 * THAW_CONFIG, naming the key, if it describes a network that Thaw does not build. `source`: the file of the weights.
 */
thaw_status thaw_efficientnet_read_config(json_t **options, const json_t *config, const char *source);
/* Replaces traits by those of such an object. THAW_CONFIG if it is invalid. */
thaw_status thaw_efficientnet_read_options(struct thaw_efficientnet *e, const json_t *options);

#endif
