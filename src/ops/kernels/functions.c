/* The functions of function_list.h as loops. Those that networks use are vectorised (vector_math.h) and run close to
 * the speed of memory; the others call libm for each element. */
#include "src/ops/kernels/functions.h"

#include "src/ops/kernels/vector_math.h"

#define INVERSE_SQRT_2PI   0.398942280f /* 1 / sqrt(2 pi) */
#define TWICE_SQRT_2_BY_PI 1.59576912f  /* 2 * sqrt(2 / pi) */

/* Both values are computed before the choice, see vector_math.h. */
THAW_INLINE float either(bool first, float value, float otherwise)
{
	return thaw_choose(first, value, otherwise);
}

/* v clamped to low..high; NaN stays NaN. */
THAW_INLINE float within(float low, float high, float v)
{
	float raised = v < low ? low : v;
	return raised > high ? high : raised;
}

/* The slope of `within`: `slope` strictly between the bounds, else 0. */
THAW_INLINE float inside(float low, float high, float v, float slope)
{
	return either((v > low) & (v < high), slope, 0.0f);
}

THAW_INLINE float sigmoid_slope(float x)
{
	float s = thaw_sigmoid(x);
	return s * (1.0f - s);
}

THAW_INLINE float tanh_slope(float x)
{
	float t = thaw_tanh(x);
	return (1.0f - t) * (1.0f + t);
}

THAW_INLINE float silu(float x)
{
	return x / (1.0f + thaw_exp(-x));
}

THAW_INLINE float silu_slope(float x)
{
	float s = thaw_sigmoid(x);
	return s + x * s * (1.0f - s);
}

/* x * erfc(-x / sqrt 2) / 2, which avoids the cancellation in 1 + erf(x / sqrt 2). */
THAW_INLINE float gelu(float x)
{
	float beyond = thaw_normal(x).beyond;
	return x * either(x < 0.0f, beyond, 1.0f - beyond);
}

THAW_INLINE float gelu_slope(float x)
{
	struct thaw_normal n = thaw_normal(x);
	return either(x < 0.0f, n.beyond, 1.0f - n.beyond) + x * INVERSE_SQRT_2PI * n.density;
}

/* The probability of a normal number below x is 1/2 + x p(x^2), fitted for |x| < 4.1 with 1 at the end. Below -4.1 GELU
 * is 0. */
THAW_INLINE float quick_gelu(float x)
{
	float near = within(-4.1f, 4.1f, x), square = near * near;
	float p = THAW_POLYNOMIAL(square, -8.348807201e-10f, 7.511650324e-08f, -2.926529760e-06f, 6.540125469e-05f,
				  -9.397845715e-04f, 9.256144054e-03f, -6.545186043e-02f, 3.984197676e-01f);
	return either(x < -4.1f, 0.0f, x * (0.5f + near * p));
}

/* 1/2 + x p(t), fitted for |x| < 4.5 with 1 at the end; t runs from -1 to 1. */
THAW_INLINE float quick_gelu_slope(float x)
{
	float near = within(-4.5f, 4.5f, x), t = near * near * (2.0f / 20.25f) - 1.0f;
	float p = THAW_POLYNOMIAL(t, -2.733474411e-02f, 5.811017007e-02f, -4.104769975e-02f, 4.431969672e-02f,
				  -9.014680237e-02f, 1.066842377e-01f, -9.492467344e-02f, 8.594262600e-02f,
				  -8.994275331e-02f, 1.594510525e-01f);
	return 0.5f + near * p;
}

/* (1 + tanh(u)) / 2 = sigmoid(2 u), with u = sqrt(2 / pi) * (x + 0.044715 x^3). */
THAW_INLINE float gelu_tanh(float x)
{
	return x / (1.0f + thaw_exp(-TWICE_SQRT_2_BY_PI * (x + 0.044715f * x * x * x)));
}

THAW_INLINE float gelu_tanh_slope(float x)
{
	float s = thaw_sigmoid(TWICE_SQRT_2_BY_PI * (x + 0.044715f * x * x * x));
	return s + x * s * (1.0f - s) * TWICE_SQRT_2_BY_PI * (1.0f + 0.134145f * x * x);
}

THAW_INLINE float hard_swish(float x)
{
	return x * within(0.0f, 1.0f, x * (1.0f / 6) + 0.5f);
}

THAW_INLINE float hard_swish_slope(float x)
{
	return either(x < -3.0f, 0.0f, either(x > 3.0f, 1.0f, x * (1.0f / 3) + 0.5f));
}

THAW_INLINE float elu(float x, float alpha)
{
	return either(x > 0.0f, x, alpha * thaw_expm1(x));
}

THAW_INLINE float elu_slope(float x, float alpha)
{
	return either(x > 0.0f, 1.0f, alpha * thaw_exp(x));
}

THAW_INLINE float shrink(float x, float limit, float by)
{
	return either(x < -limit, x + by, either(x > limit, x - by, 0.0f));
}

THAW_INLINE float softplus(float x)
{
	return thaw_log1p_fraction(thaw_exp(-fabsf(x))) + thaw_choose(x > 0.0f, x, 0.0f);
}

THAW_INLINE float softsign_slope(float x)
{
	float whole = 1.0f + fabsf(x);
	return 1.0f / (whole * whole);
}

/* tanh(softplus(x)) = w / (w + 2) with w = e (e + 2), e = exp(x); rounds to 1 for x above 20. */
THAW_INLINE float mish_gate(float x)
{
	float e = thaw_exp(thaw_choose(x > 20.0f, 20.0f, x)), w = e * (e + 2.0f);
	return w / (w + 2.0f);
}

THAW_INLINE float mish(float x)
{
	return x * mish_gate(x);
}

THAW_INLINE float mish_slope(float x)
{
	float gate = mish_gate(x);
	return gate + x * (1.0f - gate) * (1.0f + gate) * thaw_sigmoid(x);
}

/* x ^ exponent. Networks use squares and cubes. */
THAW_INLINE float power(float x, float exponent)
{
	if (exponent == 1.0f)
		return x;
	if (exponent == 2.0f)
		return x * x;
	if (exponent == 3.0f)
		return x * x * x;
	return powf(x, exponent);
}

THAW_MULTIVERSION
static void write_values(enum thaw_function f, float a, float b, float *y, const float *from, int64_t count)
{
	switch (f) {
#define FUNCTION(name, value, slope, formula)         \
	case THAW_FN_##name:                          \
		THAW_INDEPENDENT                      \
		for (int64_t i = 0; i < count; i++) { \
			float x = from[i];            \
			y[i] = (value);               \
		}                                     \
		break;
#include "src/ops/kernels/function_list.h"
#undef FUNCTION
	case THAW_FUNCTIONS:
		break;
	}
}

THAW_INLINE void gradient(enum thaw_function f, float a, float b, float *dx, bool add, const float *dy,
			  const float *from, int64_t count)
{
	switch (f) {
#define FUNCTION(name, value, slope, formula)             \
	case THAW_FN_##name:                              \
		THAW_INDEPENDENT                          \
		for (int64_t i = 0; i < count; i++) {     \
			float x = from[i];                \
			(void)x;                          \
			if (add)                          \
				dx[i] += dy[i] * (slope); \
			else                              \
				dx[i] = dy[i] * (slope);  \
		}                                         \
		break;
#include "src/ops/kernels/function_list.h"
#undef FUNCTION
	case THAW_FUNCTIONS:
		break;
	}
}

THAW_MULTIVERSION
static void write_gradient(enum thaw_function f, float a, float b, float *dx, const float *dy, const float *from,
			   int64_t count)
{
	gradient(f, a, b, dx, false, dy, from, count);
}

THAW_MULTIVERSION
static void add_gradient(enum thaw_function f, float a, float b, float *dx, const float *dy, const float *from,
			 int64_t count)
{
	gradient(f, a, b, dx, true, dy, from, count);
}

THAW_MULTIVERSION
static void write_quick_gelu(float *y, const float *from, int64_t count)
{
	THAW_INDEPENDENT
	for (int64_t i = 0; i < count; i++)
		y[i] = quick_gelu(from[i]);
}

THAW_MULTIVERSION
static void pass_quick_gelu(float *dx, bool add, const float *dy, const float *from, int64_t count)
{
	if (add) {
		THAW_INDEPENDENT
		for (int64_t i = 0; i < count; i++)
			dx[i] += dy[i] * quick_gelu_slope(from[i]);
	} else {
		THAW_INDEPENDENT
		for (int64_t i = 0; i < count; i++)
			dx[i] = dy[i] * quick_gelu_slope(from[i]);
	}
}

static bool is_quick(const struct thaw_attrs *attrs)
{
	return attrs->precision == THAW_PRECISION_BF16 && attrs->function == THAW_FN_GELU;
}

void thaw_function_forward(const struct thaw_attrs *attrs, float *y, const float *from, int64_t count)
{
	if (is_quick(attrs))
		write_quick_gelu(y, from, count);
	else
		write_values(attrs->function, attrs->alpha, attrs->beta, y, from, count);
}

void thaw_function_backward(const struct thaw_attrs *attrs, float *dx, bool add, const float *dy, const float *from,
			    int64_t count)
{
	if (is_quick(attrs))
		pass_quick_gelu(dx, add, dy, from, count);
	else
		(add ? add_gradient : write_gradient)(attrs->function, attrs->alpha, attrs->beta, dx, dy, from, count);
}
