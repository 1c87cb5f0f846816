/* The few operations of which products in bfloat16 are made: one table per instruction set, with the same bits.
 *
 * A pair is two bfloat16 values of neighbouring depths in 32 bits, the even depth in the low half, as VDPBF16PS reads
 * them. That instruction adds the product of the odd depths first, then that of the even ones, each with one rounding
 * to nearest; it reads and writes subnormal numbers as zero. */
#ifndef THAW_SRC_OPS_KERNELS_BF16_OPS_H
#define THAW_SRC_OPS_KERNELS_BF16_OPS_H

#include <stdint.h>

#include "thaw/ops.h"

enum {
	THAW_BF16_ROWS = 6,     /* most rows of a tile */
	THAW_BF16_COLUMNS = 64, /* most columns of a tile: with THAW_BF16_ROWS rows it takes 24 of 32 registers */
};

/* A tile: c (rows, columns) = activation(a b + bias + residual). The depths of a are segments of `pairs` pairs each;
 * sums stay in registers over all of them. b continues from segment to segment. Offsets are in pairs or floats. b is
 * read in whole vectors of 16 columns; only `columns` columns of c are written. */
struct thaw_bf16_tile {
	int rows, columns;
	const uint32_t *a;
	int64_t a_row[THAW_BF16_ROWS]; /* offset of each row */
	int64_t segments;
	const int64_t *segment; /* offset of each segment, added to that of the row */
	int64_t pairs, a_depth; /* pairs of a segment, and from depth to depth */
	const uint32_t *b;
	int64_t b_depth;
	const float *bias;             /* [columns] or NULL */
	const float *residual;         /* with the offsets of c, or NULL; c itself: the product is added to c */
	const uint16_t *residual_bf16; /* instead of `residual` */
	enum thaw_activation activation;
	float *c;
	uint16_t *c_bf16;              /* instead of c */
	int64_t c_row[THAW_BF16_ROWS]; /* offset of each row */
};

struct thaw_bf16_ops {
	const char *name;
	/* to[i] = the pair of even[i] and odd[i], rounded to nearest, ties to even; odd NULL: zeros. */
	void (*pair)(uint32_t *to, const float *even, const float *odd, int64_t count);
	/* to[i] = the pair of from[2i] and from[2i + 1]; a missing last one is zero. count: floats. */
	void (*round)(uint32_t *to, const float *from, int64_t count);
	/* to[i] = from[i], rounded in the same way. */
	void (*store)(uint16_t *to, const float *from, int64_t count);
	void (*multiply)(const struct thaw_bf16_tile *tile);
};

/* Works on every processor. */
extern const struct thaw_bf16_ops thaw_bf16_portable;
/* NULL if the processor has no bfloat16 arithmetic. */
const struct thaw_bf16_ops *thaw_bf16_native(void);
/* Whether a sample product and rounded samples have the bits of the portable operations. */
bool thaw_bf16_right(const struct thaw_bf16_ops *ops);
/* The native ones if they are right, else the portable ones. */
const struct thaw_bf16_ops *thaw_bf16_best(void);

#endif
