#include "src/data/cifar_image.h"

#include "src/base/try.h"
#include "src/data/image.h"

thaw_status thaw_cifar_image(struct thaw_encoded_image *encoded, const uint8_t planes[CIFAR_PIXELS])
{
	struct thaw_image image;
	THAW_TRY(thaw_image_allocate(&image, CIFAR_SIDE, CIFAR_SIDE, "CIFAR image"));
	for (int p = 0; p < CIFAR_PLANE; p++)
		for (int channel = 0; channel < 3; channel++)
			image.pixels[3 * p + channel] = planes[channel * CIFAR_PLANE + p];
	*encoded = thaw_encoded_image_from_pixels(image);
	return THAW_OK;
}

int thaw_cifar_file_of(const int64_t *first, int64_t image, int64_t *within)
{
	int f = 0;
	while (image >= first[f + 1])
		f++;
	*within = image - first[f];
	return f;
}
