/* Networks whose files have the same tensor names and shapes but compute something else, such as timm's
 * efficientnet_b0 and tf_efficientnet_b0 with another padding. Internal to src/model. */
#ifndef THAW_SRC_MODEL_SAME_TENSORS_H
#define THAW_SRC_MODEL_SAME_TENSORS_H

#include "src/model/model_internal.h"
#include "src/model/note.h"

/* The variant that `recognise` finds in files of this variant: itself, or the first one with these tensors. */
const char *thaw_recognised_name(const char *variant);

/* The variant in a file's metadata wins over a name, the caller's, for the same tensors. THAW_CONFIG if they mean
 * different networks. */
thaw_status thaw_keep_recorded(const char **name, const char *recorded, const char *source);

/* Chooses among variants with the same tensors. *variant, which was recognised in w, becomes the one that the caller's
 * variant means; without one, that of the architecture in a config.json beside the file; else that of the file's name.
 * THAW_CONFIG if nothing tells, or what tells is another network. A choice by a name is noted. */
thaw_status thaw_choose_variant(const char **variant, const struct thaw_family *family, const struct thaw_weights *w,
				const struct thaw_weights_request *request, struct thaw_note *note);

#endif
