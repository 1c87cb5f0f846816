/* What the two versions of CIFAR share. Internal to src/data. */
#ifndef THAW_SRC_DATA_CIFAR_IMAGE_H
#define THAW_SRC_DATA_CIFAR_IMAGE_H

#include "thaw/image.h"

enum { CIFAR_SIDE = 32, CIFAR_PLANE = CIFAR_SIDE * CIFAR_SIDE, CIFAR_PIXELS = 3 * CIFAR_PLANE };

/* An image from its red, green and blue plane. */
thaw_status thaw_cifar_image(struct thaw_encoded_image *encoded, const uint8_t planes[CIFAR_PIXELS]);

/* The file that has an image; file f has the images from first[f] to first[f + 1]. *within: its position there. */
int thaw_cifar_file_of(const int64_t *first, int64_t image, int64_t *within);

#endif
