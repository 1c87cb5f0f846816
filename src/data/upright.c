/* Turns an image upright that was stored in another orientation. */
#include "src/data/image.h"

#include <string.h>

#include "src/base/minmax.h"
#include "thaw/memory.h"

/* The index, in pixels, of upright (x,y) in the stored image is origin + x * step_x + y * step_y. */
struct walk {
	int64_t origin, step_x, step_y;
	bool swapped; /* width and height are exchanged */
};

static struct walk walk_of(int orientation, int64_t w, int64_t h)
{
	switch (orientation) {
	case 2: /* mirrored */
		return (struct walk){w - 1, -1, w, false};
	case 3: /* upside down */
		return (struct walk){w * h - 1, -1, -w, false};
	case 4: /* mirrored and upside down */
		return (struct walk){w * (h - 1), 1, -w, false};
	case 5: /* transposed */
		return (struct walk){0, w, 1, true};
	case 6: /* must be turned clockwise */
		return (struct walk){w * (h - 1), -w, 1, true};
	case 7: /* transposed along the other diagonal */
		return (struct walk){w * h - 1, -w, -1, true};
	case 8: /* must be turned counter-clockwise */
		return (struct walk){w - 1, w, -1, true};
	default:
		return (struct walk){0, 1, w, false};
	}
}

struct thaw_rectangle thaw_rectangle_as_stored(const struct thaw_rectangle *upright, int orientation, int width,
					       int height)
{
	struct walk walk = walk_of(orientation, width, height);
	int64_t last_x = upright->left + upright->width - 1, last_y = upright->top + upright->height - 1;
	/* Two opposite corners. */
	int64_t a = walk.origin + upright->left * walk.step_x + upright->top * walk.step_y;
	int64_t b = walk.origin + last_x * walk.step_x + last_y * walk.step_y;
	return (struct thaw_rectangle){
		.left = (int)min_int64(a % width, b % width),
		.top = (int)min_int64(a / width, b / width),
		.width = walk.swapped ? upright->height : upright->width,
		.height = walk.swapped ? upright->width : upright->height,
	};
}

thaw_status thaw_image_upright(struct thaw_image *image, int orientation)
{
	if (orientation == 1)
		return THAW_OK;
	struct walk walk = walk_of(orientation, image->width, image->height);
	struct thaw_image turned = {
		.width = walk.swapped ? image->height : image->width,
		.height = walk.swapped ? image->width : image->height,
	};
	turned.pixels = thaw_alloc((size_t)turned.width * (size_t)turned.height, 3);
	if (!turned.pixels)
		return THAW_RESOURCE;
	uint8_t *to = turned.pixels;
	for (int64_t y = 0; y < turned.height; y++)
		for (int64_t x = 0; x < turned.width; x++, to += 3)
			memcpy(to, image->pixels + 3 * (walk.origin + x * walk.step_x + y * walk.step_y), 3);
	thaw_image_free(image);
	*image = turned;
	return THAW_OK;
}
