/* Fuzzes the image decoders: any input gives an image or an error message, as a whole and for a region; if both are
 * decoded, the region has the same pixels.
 *
 * `make fuzz` builds and runs it, with tests/golden/images as seeds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "src/data/image.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

/* Bytes; larger inputs only make each run slower. */
#define SIZE_LIMIT ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Decodes the centre of the image; compares it with `whole` if that was decoded and nothing is shrunk. */
static void decode_centre(const struct thaw_encoded_image *p, int shrink, const struct thaw_image *whole)
{
	struct image_view view;
	struct thaw_image made;
	int width, height;
	shrink = p->image.pixels ? 1 : shrink;
	thaw_encoded_image_shrunk_size(p, shrink, &width, &height);
	struct thaw_rectangle part = {width / 4, height / 4, (width + 1) / 2, (height + 1) / 2};
	if (thaw_encoded_image_decode_region(p, &part, shrink, &view, &made) != THAW_OK)
		return;
	for (int y = 0; y < part.height; y++) {
		const uint8_t *row = view.pixels + (size_t)y * view.stride;
		size_t bytes = (size_t)part.width * 3;
		size_t at = ((size_t)(part.top + y) * (size_t)width + (size_t)part.left) * 3;
		if (!whole->pixels || shrink > 1)
			thaw_digest(row, bytes, 0); /* reads every pixel */
		else if (memcmp(row, whole->pixels + at, bytes) != 0)
			abort();
	}
	thaw_image_free(&made);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_encoded_image encoded;
	struct thaw_image image = {0};
	if (size > SIZE_LIMIT)
		return 0;
	if (thaw_image_decode(&image, bytes, size, "fuzz") == THAW_OK) {
		/* Reads every pixel. */
		thaw_digest(image.pixels, (size_t)image.width * (size_t)image.height * 3, 0);
	} else if (thaw_error_message()[0] == '\0' || image.pixels != NULL) {
		abort();
	}
	uint8_t *copy = thaw_alloc(size, 1);
	if (copy != NULL && size > 0)
		memcpy(copy, bytes, size);
	if (copy != NULL && thaw_encoded_image_open(&encoded, copy, size, "fuzz") == THAW_OK) {
		decode_centre(&encoded, 1 << (bytes[size - 1] & 3), &image);
		decode_centre(&encoded, 1, &image);
		thaw_encoded_image_free(&encoded);
	}
	thaw_image_free(&image);
	return 0;
}
