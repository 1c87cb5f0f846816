/* Runs the kernel of a convolution on values in either storage. A kernel that takes fp32 only gets bfloat16 values
 * expanded, and its results are rounded, in blocks of images that stay in the cache. */
#include "src/base/minmax.h"
#include "src/ops/conv_node.h"
#include "src/ops/kernels/bf16_values.h"
#include "thaw/memory.h"

enum { BLOCK_FLOATS = 1 << 18 }; /* of a block's images and results */

static size_t align_up(size_t bytes)
{
	return (bytes + THAW_ALIGNMENT - 1) / THAW_ALIGNMENT * THAW_ALIGNMENT;
}

static int64_t input_values(const struct thaw_conv *c)
{
	return c->h * c->w * c->ci;
}

static int64_t output_values(const struct thaw_conv *c)
{
	return c->ho * c->wo * c->co;
}

static int64_t block_images(const struct thaw_conv *c)
{
	return min_int64(c->n, max_int64(1, BLOCK_FLOATS / (input_values(c) + output_values(c))));
}

/* Where the parts of the scratch memory are. */
struct room {
	float *x, *residual, *y; /* a block of images */
	void *packed, *kernel;   /* packed weights; the kernel's own scratch */
};

/* Lays out scratch memory and returns its bytes. */
static size_t room_at(const struct thaw_conv_kernel *kernel, const struct thaw_conv *c, enum thaw_conv_pass pass,
		      char *memory, struct room *room)
{
	struct thaw_conv block = *c;
	size_t at[5] = {0};
	block.n = block_images(c);
	size_t x = align_up((size_t)(block.n * input_values(c)) * sizeof(float));
	size_t y = pass == THAW_CONV_FORWARD ? align_up((size_t)(block.n * output_values(c)) * sizeof(float)) : 0;
	at[1] = x;
	at[2] = at[1] + y;
	at[3] = at[2] + y;
	at[4] = at[3] + (y && kernel->pack ? align_up(kernel->packed_bytes(c)) : 0);
	if (room)
		*room = (struct room){(float *)memory, (float *)(memory + at[1]), (float *)(memory + at[2]),
				      memory + at[3], memory + at[4]};
	return at[4] + kernel->scratch(&block, pass);
}

static size_t pass_bytes(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	const struct thaw_conv_kernel *kernel = thaw_conv_choose(c, pass);
	size_t own = kernel->scratch(c, pass);
	if (kernel->bf16 || c->precision == THAW_PRECISION_FP32 || pass == THAW_CONV_DATA)
		return own;
	return max_size(own, room_at(kernel, c, pass, NULL, NULL));
}

size_t thaw_conv_forward_bytes(const struct thaw_conv *c)
{
	return pass_bytes(c, THAW_CONV_FORWARD);
}

size_t thaw_conv_backward_bytes(const struct thaw_conv *c)
{
	return max_size(pass_bytes(c, THAW_CONV_DATA), pass_bytes(c, THAW_CONV_WEIGHT));
}

/* Runs `kernel` on blocks of images. */
static void forward_blocks(const struct thaw_conv_kernel *kernel, const struct thaw_conv *c,
			   const struct thaw_op_args *args, const float *weight, const void *packed, const float *bias,
			   void *scratch)
{
	const struct thaw_view *x = &args->x[0], *residual = args->inputs > 1 ? &args->x[1] : NULL;
	int64_t images = block_images(c), in = input_values(c), out = output_values(c);
	struct thaw_conv block = *c;
	struct room room;
	room_at(kernel, c, THAW_CONV_FORWARD, scratch, &room);
	if (!packed && kernel->pack && images < c->n) {
		kernel->pack(c, weight, room.packed);
		packed = room.packed;
	}
	for (int64_t first = 0; first < c->n; first += images) {
		block.n = min_int64(images, c->n - first);
		struct thaw_view to = {.data = thaw_values_target(&args->y, first * out, room.y)};
		struct thaw_values from = {.data = thaw_values_read(x, first * in, block.n * in, room.x)};
		struct thaw_conv_epilogue epilogue = {
			.bias = bias,
			.residual =
				residual ? thaw_values_read(residual, first * out, block.n * out, room.residual) : NULL,
			.activation = args->attrs->activation,
		};
		kernel->forward(&block, from, weight, packed, &epilogue, &to, room.kernel);
		thaw_values_write(&args->y, first * out, block.n * out, to.data);
	}
}

void thaw_conv_forward(const struct thaw_conv *c, const struct thaw_op_args *args, const float *weight,
		       const void *packed, const float *bias, void *scratch)
{
	const struct thaw_conv_kernel *kernel = thaw_conv_choose(c, THAW_CONV_FORWARD);
	const struct thaw_view *residual = args->inputs > 1 ? &args->x[1] : NULL;
	bool rounded = args->x[0].bf16 || args->y.bf16 || (residual && residual->bf16);
	if (rounded && !kernel->bf16) {
		forward_blocks(kernel, c, args, weight, packed, bias, scratch);
		return;
	}
	struct thaw_conv_epilogue epilogue = {
		.bias = bias,
		.residual = residual ? residual->data : NULL,
		.residual_bf16 = residual ? residual->bf16 : NULL,
		.activation = args->attrs->activation,
	};
	kernel->forward(c, thaw_values_of(&args->x[0]), weight, packed, &epilogue, &args->y, scratch);
}

void thaw_conv_weight(const struct thaw_conv *c, const struct thaw_view *x, const float *dy, float *dweight,
		      void *scratch)
{
	const struct thaw_conv_kernel *kernel = thaw_conv_choose(c, THAW_CONV_WEIGHT);
	int64_t images = block_images(c), in = input_values(c);
	struct thaw_conv block = *c;
	struct room room;
	if (kernel->bf16 || !x->bf16) {
		kernel->weight(c, thaw_values_of(x), dy, dweight, scratch);
		return;
	}
	room_at(kernel, c, THAW_CONV_WEIGHT, scratch, &room);
	for (int64_t first = 0; first < c->n; first += images) {
		block.n = min_int64(images, c->n - first);
		struct thaw_values from = {.data = thaw_values_read(x, first * in, block.n * in, room.x)};
		kernel->weight(&block, from, dy + first * output_values(c), dweight, room.kernel);
	}
}
