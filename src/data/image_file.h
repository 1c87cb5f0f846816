/* Samples that are image files. Internal to src/data. */
#ifndef THAW_SRC_DATA_IMAGE_FILE_H
#define THAW_SRC_DATA_IMAGE_FILE_H

#include "thaw/image.h"

/* Reads the file and its header, with the fingerprint. `name` is for messages. */
thaw_status thaw_image_file_read(struct thaw_encoded_image *encoded, const char *path, const char *name);

/* Reads the bytes of the file to memory from thaw_alloc, without decoding. */
thaw_status thaw_image_file_bytes(void **bytes, size_t *size, const char *path);

#endif
