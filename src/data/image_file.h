/* Samples that are image files. Internal to src/data. */
#ifndef THAW_SRC_DATA_IMAGE_FILE_H
#define THAW_SRC_DATA_IMAGE_FILE_H

#include "thaw/image.h"

/* Reads the file and its header, with the fingerprint. `name` is for messages. */
thaw_status thaw_image_file_read(struct thaw_encoded_image *encoded, const char *path, const char *name);

#endif
