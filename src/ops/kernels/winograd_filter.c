/* Winograd's transforms of filters to the 36 planes, and of gradients back. Vectors run over output channels. */
#include "src/base/multiversion.h"
#include "src/ops/kernels/winograd.h"

typedef float vec __attribute__((vector_size(THAW_VECTOR_WIDTH * sizeof(float)), aligned(sizeof(float))));

enum { TAPS = 3 };

/* out[6] = G in[3]; elements of both are `step` vectors apart. */
THAW_INLINE void expand_taps(const vec *in, vec *out, int step)
{
	const vec a = in[0], b = in[step], c = in[2 * step];
	const vec even = (a + c) * (1.0f / 6), odd = b * (1.0f / 6);
	const vec far = a * (1.0f / 24) + c * (1.0f / 6), far_odd = b * (1.0f / 12);
	out[0] = a * 0.25f;
	out[step] = -even - odd;
	out[2 * step] = odd - even;
	out[3 * step] = far + far_odd;
	out[4 * step] = far - far_odd;
	out[5 * step] = c;
}

/* out[3] = G' in[6]. */
THAW_INLINE void contract_taps(const vec *in, vec *out, int step)
{
	const vec near = (in[step] + in[2 * step]) * (1.0f / 6), near_odd = (in[2 * step] - in[step]) * (1.0f / 6);
	const vec far = in[3 * step] + in[4 * step], far_odd = in[3 * step] - in[4 * step];
	out[0] = in[0] * 0.25f - near + far * (1.0f / 24);
	out[step] = near_odd + far_odd * (1.0f / 12);
	out[2 * step] = far * (1.0f / 6) - near + in[5 * step];
}

THAW_MULTIVERSION
void thaw_winograd_filters(const struct thaw_conv *c, const float *weight, float *u)
{
	const int64_t count = c->ci * c->co; /* floats of one tap, and of one plane */
	for (int64_t at = 0; at < count; at += THAW_VECTOR_WIDTH) {
		vec tile[WINOGRAD_IN][WINOGRAD_IN];
		for (int ky = 0; ky < TAPS; ky++)
			for (int kx = 0; kx < TAPS; kx++)
				tile[ky][kx] = *(const vec *)(weight + (ky * TAPS + kx) * count + at);
		for (int kx = 0; kx < TAPS; kx++)
			expand_taps(&tile[0][kx], &tile[0][kx], WINOGRAD_IN);
		for (int i = 0; i < WINOGRAD_IN; i++) {
			expand_taps(tile[i], tile[i], 1);
			for (int j = 0; j < WINOGRAD_IN; j++)
				*(vec *)(u + (i * WINOGRAD_IN + j) * count + at) = tile[i][j];
		}
	}
}

THAW_MULTIVERSION
void thaw_winograd_filter_gradient(const struct thaw_conv *c, const float *du, float *dweight)
{
	const int64_t count = c->ci * c->co;
	for (int64_t at = 0; at < count; at += THAW_VECTOR_WIDTH) {
		vec tile[WINOGRAD_IN][WINOGRAD_IN];
		for (int i = 0; i < WINOGRAD_IN; i++) {
			for (int j = 0; j < WINOGRAD_IN; j++)
				tile[i][j] = *(const vec *)(du + (i * WINOGRAD_IN + j) * count + at);
			contract_taps(tile[i], tile[i], 1);
		}
		for (int kx = 0; kx < TAPS; kx++) {
			contract_taps(&tile[0][kx], &tile[0][kx], WINOGRAD_IN);
			for (int ky = 0; ky < TAPS; ky++)
				*(vec *)(dweight + (ky * TAPS + kx) * count + at) += tile[ky][kx];
		}
	}
}
