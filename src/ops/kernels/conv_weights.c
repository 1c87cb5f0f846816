/* Weights and shapes for the gradients of images. */
#include "src/base/multiversion.h"
#include "src/ops/kernels/conv.h"

enum { TILE = 16 }; /* values of a cache line, so that whole lines are written */

THAW_MULTIVERSION
void thaw_conv_transpose_weights(const struct thaw_conv *c, const float *weight, bool mirror, float *to)
{
	int64_t ci = c->ci / c->groups, co = c->co / c->groups, taps = c->kh * c->kw;
	for (int64_t tap = 0; tap < taps; tap++) {
		const float *from_tap = weight + (mirror ? taps - 1 - tap : tap) * ci * c->co;
		float *to_tap = to + tap * co * c->ci;
		for (int64_t g = 0; g < c->groups; g++)
			for (int64_t i0 = 0; i0 < ci; i0 += TILE)
				for (int64_t o = 0; o < co; o++)
					for (int64_t i = i0; i < (i0 + TILE < ci ? i0 + TILE : ci); i++)
						to_tap[o * c->ci + g * ci + i] = from_tap[i * c->co + g * co + o];
	}
}

struct thaw_conv thaw_conv_mirrored(const struct thaw_conv *c)
{
	struct thaw_conv m = *c;
	m.h = c->ho, m.w = c->wo, m.ci = c->co;
	m.ho = c->h, m.wo = c->w, m.co = c->ci;
	m.top = (c->kh - 1) * (1 + c->gap_y) - c->top;
	m.left = (c->kw - 1) * (1 + c->gap_x) - c->left;
	return m;
}
