/* The file of the weights in a directory. Internal to src/model. */
#ifndef THAW_SRC_MODEL_MODEL_DIRECTORY_H
#define THAW_SRC_MODEL_MODEL_DIRECTORY_H

#include "thaw/error.h"

/* Finds the model's file in a run directory or in a folder as on the Hugging Face Hub
 * or in its cache: *path is from thaw_alloc.
 * Returns THAW_IO, with what was found in the message, if there is none. */
thaw_status thaw_model_find_file(char **path, const char *directory);

#endif
