/* Names of tensors without the components that wrappers add, and in torchvision's words. Internal to src/model. */
#ifndef THAW_SRC_MODEL_WRAPPER_NAMES_H
#define THAW_SRC_MODEL_WRAPPER_NAMES_H

#include "src/model/note.h"
#include "thaw/weights.h"

/* Removes "module.", "_orig_mod." and the like at any depth from the names in place, and notes which. */
void thaw_names_remove_wrappers(struct thaw_named_tensor *tensors, int count, struct thaw_note *note);

/* Renames the tensors of nn.Sequential(*resnet.children()), whose modules are numbers, to torchvision's names, and
 * notes it. The tensors' names are replaced by others from thaw_alloc. */
thaw_status thaw_names_from_sequence(struct thaw_named_tensor *tensors, int count, struct thaw_note *note);

#endif
