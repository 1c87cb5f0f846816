/* Fuzzes the image decoders: any bytes give an image or an error with a text.
 *
 * `make fuzz` builds and starts it, with tests/golden/images as seeds. */
#include <stdint.h>
#include <stdlib.h>

#include "thaw/image.h"
#include "thaw/tensor.h"

/* Larger images only make each run slower. */
#define SIZE_LIMIT ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_image image = {0};
	if (size > SIZE_LIMIT)
		return 0;
	if (thaw_image_decode(&image, bytes, size, "fuzz") == THAW_OK) {
		/* Reads every pixel. */
		thaw_digest(image.pixels, (size_t)image.width * (size_t)image.height * 3, 0);
	} else if (thaw_error_message()[0] == '\0' || image.pixels != NULL) {
		abort();
	}
	thaw_image_free(&image);
	return 0;
}
