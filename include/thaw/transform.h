/* Transforms: from an image to the input of a network. */
#ifndef THAW_TRANSFORM_H
#define THAW_TRANSFORM_H

#include "thaw/api.h"
#include "thaw/image.h"
#include "thaw/random.h"

THAW_BEGIN_DECLS

#define THAW_MAX_SIDE 16384 /* pixels of a side of a network's input */

/* Height and width of a network's input in pixels. Both 0: not given. */
struct thaw_size {
	int height, width;
};

struct thaw_size thaw_square(int side);
bool thaw_size_equal(struct thaw_size a, struct thaw_size b);
int thaw_size_shorter(struct thaw_size s); /* the shorter side */
int thaw_size_longer(struct thaw_size s);
size_t thaw_size_floats(struct thaw_size s); /* of an input of this size, with 3 channels */

#define THAW_SIZE_TEXT 24 /* bytes for thaw_size_text */

/* Writes "224", or "224x288" (height x width) if it is not square, to text[size]. Returns text. */
const char *thaw_size_text(struct thaw_size s, char *text, size_t size);

/* Reads such a text, sides from 1 to THAW_MAX_SIDE. False, and *s unchanged, if it is another one. */
bool thaw_size_read(struct thaw_size *s, const char *text);

/* How an image is resized before its centre is cropped: to a box that has the input's aspect ratio. */
enum thaw_resize_mode {
	THAW_RESIZE_SHORTER, /* so that it just covers the box: for a square, the shorter side becomes `resize` */
	THAW_RESIZE_SQUASH,  /* to the box: the aspect ratio changes */
	THAW_RESIZE_BORDER,  /* so that it just fits into the box; the rest is filled with the mean colour */
	THAW_RESIZE_NONE,    /* not at all */
};

/* Where a centre crop starts if it leaves an odd number of pixels. */
enum thaw_centre {
	THAW_CENTRE_EVEN, /* half pixels are rounded to even, as by torchvision and timm */
	THAW_CENTRE_DOWN, /* half pixels are rounded down, as by transformers */
};

enum thaw_channels { THAW_RGB, THAW_BGR };

/* Sizes of images that have their own size and aspect ratio: sides are multiples of `stride`, from `smallest` up to
 * `largest`. */
struct thaw_native {
	int stride, smallest, largest;
};

/* The preprocessing that a network expects. All zero in a member from `mode` on is torchvision's. */
struct thaw_preprocess {
	struct thaw_size size; /* of the input, in pixels */
	/* Evaluation: shorter side of the box, see mode; then the centre is cropped, or padded, to size. */
	int resize;
	enum thaw_filter filter;
	float mean[3], std[3]; /* of RGB values in 0..1, in the order R, G, B */
	enum thaw_resize_mode mode;
	enum thaw_centre centre;
	enum thaw_channels channels; /* order in the network's input */
	/* Not zero: each image has its own size. `size` is then for what needs a single one, such as an ONNX export. */
	struct thaw_native native;
};

/* The same preprocessing for another input size; `resize` is scaled in proportion. A size of 0: unchanged. */
struct thaw_preprocess thaw_preprocess_at(const struct thaw_preprocess *p, struct thaw_size size);

/* The input size of an image of width x height pixels: p->size, or the image's own with p->native. */
struct thaw_size thaw_preprocess_size(const struct thaw_preprocess *p, int width, int height);

/* The preprocessing of one image whose input has this size. With p->native the whole image is resized to it, else as
 * thaw_preprocess_at. */
struct thaw_preprocess thaw_preprocess_of_image(const struct thaw_preprocess *p, struct thaw_size size);

/* Values that replace those of a network, as texts of flags. NULL: the network's own. */
struct thaw_preprocess_override {
	const char *mean, *std; /* "R,G,B", of pixels from 0 to 1, or one number for all channels */
	/* Fraction of the resized shorter side that the centre crop keeps, such as "0.875"; "none": 1; "squash": both
	 * sides are resized to the input size, so that nothing is cut off. */
	const char *crop;
	const char *interpolation; /* see thaw_filter_find */
};

bool thaw_preprocess_override_given(const struct thaw_preprocess_override *o);

/* Changes *p, whose size must be final. Not collective. Returns THAW_USAGE, with the flag and its value in the message,
 * and leaves *p unchanged, if a text is invalid. */
thaw_status thaw_preprocess_override_apply(struct thaw_preprocess *p, const struct thaw_preprocess_override *o);

#define THAW_PREPROCESS_TEXT 320 /* bytes for thaw_preprocess_text */

/* Writes a description such as "bicubic resize to 256, crop 224, mean 0.485 0.456 0.406, std 0.229 0.224 0.225" to
 * text[size]. Returns text. */
const char *thaw_preprocess_text(const struct thaw_preprocess *p, char *text, size_t size);

const char *thaw_resize_mode_name(enum thaw_resize_mode mode); /* "shorter", "squash", "border" or "none" */

/* Training augmentation. */
struct thaw_augment {
	float scale[2]; /* area of the crop as a fraction of the image; torchvision: (0.08, 1) */
	float ratio[2]; /* width / height of the crop, relative to that of the input; torchvision: (3/4, 4/3) */
	float flip;     /* probability of a horizontal flip */
	float jitter;   /* brightness, contrast and saturation are each multiplied by a factor in 1 - j .. 1 + j */
	int pad_crop;   /* > 0: ignore scale and ratio; resize, pad by this many black pixels on each side and crop at
			 * random (the CIFAR recipe) */
};

/* torchvision's training defaults. */
struct thaw_augment thaw_augment_default(void);

/* Writes the normalised input (height,width,3) of p->size to `out`: resizes and crops the centre as `p` says, with the
 * same bits as torchvision. Returns THAW_DATA if the image is damaged. */
thaw_status thaw_transform_eval(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p, float *out);

/* Writes the normalised input (height,width,3) of p->size to `out` after a random crop, flip and jitter, all drawn from
 * `random`. If the crop of a JPEG is at least 2, 4 or 8 times as large as p->size, the decoder shrinks it by that
 * factor before resizing. Returns THAW_DATA if the image is damaged. */
thaw_status thaw_transform_train(const struct thaw_encoded_image *encoded, const struct thaw_preprocess *p,
				 const struct thaw_augment *a, struct thaw_random random, float *out);

THAW_END_DECLS

#endif
