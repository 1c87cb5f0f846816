/* Views of tensors under Reshape, Transpose and Slice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/onnx/import/axes.h"

#define IMAGES    7919 /* THAW_ONNX_OPEN_IMAGES: a prime */
#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define PERM(...) ((const int[]){__VA_ARGS__})

/* The tensor (N,14,14,192) viewed as ONNX's (N,192,14,14). */
static struct thaw_onnx_axes image(void)
{
	struct thaw_onnx_axes v;
	struct thaw_shape tensor = thaw_shape_of(IMAGES, 14, 14, 192);
	thaw_onnx_axes_set(&v, &tensor, IMAGES);
	assert_true(thaw_onnx_axes_transpose(&v, PERM(0, 3, 1, 2)));
	return v;
}

static void assert_dims(const struct thaw_onnx_axes *v, int ndim, const int64_t *dim)
{
	assert_int_equal(v->ndim, ndim);
	for (int i = 0; i < ndim; i++)
		assert_int_equal(thaw_onnx_axes_dim(v, i), dim[i]);
}

/* Rearranges the tensor to view order; returns whether elements move. */
static bool materialise(struct thaw_onnx_axes *v, bool *change)
{
	struct thaw_onnx_arrangement arrangement;
	struct thaw_factors factors;
	bool copy;
	thaw_onnx_axes_in_order(v, &arrangement);
	thaw_onnx_axes_rearrange(v, &arrangement, &factors, &copy, change);
	return copy;
}

static void patches_need_no_copy(void **state)
{
	(void)state;
	struct thaw_onnx_axes v = image();
	bool change;
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 192, 196), 3));
	assert_true(thaw_onnx_axes_transpose(&v, PERM(0, 2, 1)));
	assert_dims(&v, 3, DIMS(IMAGES, 196, 192));
	assert_false(materialise(&v, &change));
	assert_true(change); /* (N,14,14,192) becomes (N,196,192) */
	assert_int_equal(v.tensor.ndim, 3);
}

static void flattening_an_image_needs_a_copy(void **state)
{
	(void)state;
	struct thaw_onnx_axes v = image();
	bool change;
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 192 * 196), 2));
	assert_true(materialise(&v, &change));
	assert_dims(&v, 2, DIMS(IMAGES, 192 * 196));
}

static void heads_split_and_merge(void **state)
{
	(void)state;
	struct thaw_onnx_axes v;
	struct thaw_shape tensor = thaw_shape_of(IMAGES, 197, 576);
	bool change;
	int axis;
	thaw_onnx_axes_set(&v, &tensor, IMAGES);
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 197, 3, 3, 64), 5));
	assert_true(thaw_onnx_axes_transpose(&v, PERM(2, 0, 3, 1, 4)));
	assert_true(thaw_onnx_axes_slice(&v, 0, 1, 1, 1));
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 3, 197, 64), 4));
	assert_false(thaw_onnx_axes_is_axis(&v, 3, &axis));
	assert_true(materialise(&v, &change));
	assert_true(thaw_onnx_axes_is_axis(&v, 3, &axis));
	assert_int_equal(axis, 3);
	assert_true(thaw_onnx_axes_transpose(&v, PERM(0, 2, 1, 3)));
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 197, 192), 3));
	assert_dims(&v, 3, DIMS(IMAGES, 197, 192));
}

static void batch_axis_stays_first_in_tensor(void **state)
{
	(void)state;
	struct thaw_onnx_axes v;
	struct thaw_shape tensor = thaw_shape_of(IMAGES, 197, 192);
	bool change;
	thaw_onnx_axes_set(&v, &tensor, IMAGES);
	assert_true(thaw_onnx_axes_transpose(&v, PERM(1, 0, 2)));
	assert_false(materialise(&v, &change)); /* (T,N,E) is a view of (N,T,E) */
	assert_false(change);
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(197 * IMAGES, 192), 2));
	assert_dims(&v, 2, DIMS(197 * IMAGES, 192));
	assert_int_equal(v.tensor.dim[0], IMAGES);
}

static void batch_axis_of_one_image_is_found_among_axes_of_size_one(void **state)
{
	(void)state;
	struct thaw_onnx_axes v;
	struct thaw_shape tensor = thaw_shape_of(1, 1, 1, 512);
	int axis;
	thaw_onnx_axes_set(&v, &tensor, 1);
	thaw_onnx_axes_transpose(&v, PERM(0, 3, 1, 2));
	assert_true(thaw_onnx_axes_reshape(&v, DIMS(1, 512), 2));
	assert_true(thaw_onnx_axes_is_axis(&v, 1, &axis));
	assert_int_equal(axis, 3);
	assert_true(thaw_onnx_axes_is_axis(&v, 0, &axis));
	assert_int_equal(axis, 0);
}

static void impossible_views_are_refused(void **state)
{
	(void)state;
	struct thaw_onnx_axes v;
	struct thaw_shape tensor = thaw_shape_of(IMAGES, 6, 4);
	thaw_onnx_axes_set(&v, &tensor, IMAGES);
	assert_false(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 8, 3), 3)); /* an axis of 8 would split two factors */
	assert_false(thaw_onnx_axes_reshape(&v, DIMS(IMAGES, 6, 5), 3));
	assert_false(thaw_onnx_axes_slice(&v, 0, 1, 1, 1));
	assert_true(thaw_onnx_axes_slice(&v, 1, 5, -2, 3));
	assert_true(thaw_onnx_axes_slice(&v, 1, 1, 1, 2)); /* elements 3 and 1 */
	assert_int_equal(v.factor[1].start, 3);
	assert_int_equal(v.factor[1].step, -2);
	assert_false(thaw_onnx_axes_whole(&v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patches_need_no_copy),
		cmocka_unit_test(flattening_an_image_needs_a_copy),
		cmocka_unit_test(heads_split_and_merge),
		cmocka_unit_test(batch_axis_stays_first_in_tensor),
		cmocka_unit_test(batch_axis_of_one_image_is_found_among_axes_of_size_one),
		cmocka_unit_test(impossible_views_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
