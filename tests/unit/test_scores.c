/* LogME, H-score and LEEP: against numpy (tests/golden/make_scores.py), their invariances, and empty or tiny tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "src/advise/eigen.h"
#include "src/advise/scores.h"
#include "src/advise/spectrum.h"
#include "tests/unit/formula_weights.h"

#define TOLERANCE 1e-9 /* relative */

typedef thaw_status score_function(const struct thaw_feature_table *t, double *score);

static score_function *const of_features[] = {thaw_logme, thaw_h_score};
enum { OF_FEATURES = 2 };

/* A table that owns its arrays. */
struct owned {
	struct thaw_feature_table table;
	float *features;
	int32_t *labels;
};

static struct owned table_create(int64_t count, int64_t width, int classes)
{
	float *features = calloc((size_t)(count * width), sizeof(*features));
	int32_t *labels = calloc((size_t)count, sizeof(*labels));
	assert_non_null(features);
	assert_non_null(labels);
	return (struct owned){{count, width, features, labels, classes}, features, labels};
}

static void table_free(struct owned *o)
{
	free(o->features);
	free(o->labels);
}

static double score_of(score_function *score, const struct owned *o)
{
	double value = NAN;
	if (score(&o->table, &value) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_true(isfinite(value));
	return value;
}

static void assert_close(double actual, double expected)
{
	if (!(fabs(actual - expected) <= TOLERANCE * fabs(expected)))
		fail_msg("%.17g instead of %.17g", actual, expected);
}

/* ---- Golden values ---- */

static double number(const json_t *golden, const char *key)
{
	return json_number_value(json_object_get(golden, key));
}

/* The table of make_scores.py with the same name. */
static struct owned golden_features(const json_t *golden)
{
	const char *name = json_string_value(json_object_get(golden, "name"));
	const int64_t width = (int64_t)number(golden, "width"), copies = (int64_t)number(golden, "copies");
	const float shift = (float)number(golden, "shift"), offset = (float)number(golden, "offset");
	struct owned o = table_create((int64_t)number(golden, "count"), width, (int)number(golden, "classes"));
	const uint64_t noise = formula_key(name, ""), mean = formula_key(name, "/mean");
	for (int64_t i = 0; i < o.table.count; i++) {
		o.labels[i] =
			(int32_t)((formula_word(formula_key(name, "/label"), i) >> 40) % (uint64_t)o.table.classes);
		for (int64_t j = 0; j < width; j++) {
			float *f = &o.features[i * width + j];
			*f = formula_uniform(noise, i * width + j, -1, 1);
			*f += shift * formula_uniform(mean, o.labels[i] * width + j, -1, 1);
			*f += offset;
		}
		for (int64_t j = 0; j < copies; j++)
			o.features[i * width + width - copies + j] = o.features[i * width + j];
	}
	return o;
}

/* Turns the features into the probabilities of make_scores.py. */
static void golden_probabilities(const json_t *golden, struct owned *o)
{
	const uint64_t key = formula_key(json_string_value(json_object_get(golden, "name")), "/source");
	const int64_t width = o->table.width;
	for (int64_t i = 0; i < o->table.count; i++) {
		double sum = 0.0;
		for (int64_t j = 0; j < width; j++) {
			float part = formula_uniform(key, i * width + j, 0, 1);
			o->features[i * width + j] = part + (j == o->labels[i] ? 2.0f : 0.0f);
			sum += o->features[i * width + j];
		}
		for (int64_t j = 0; j < width; j++)
			o->features[i * width + j] = (float)(o->features[i * width + j] / sum);
	}
}

static void scores_equal_the_golden_values(void **state)
{
	(void)state;
	json_t *cases = json_load_file("tests/golden/scores.json", 0, NULL), *golden;
	size_t i;
	assert_true(json_array_size(cases) > 0);
	json_array_foreach(cases, i, golden)
	{
		struct owned o = golden_features(golden);
		assert_close(score_of(thaw_logme, &o), number(golden, "logme"));
		assert_close(score_of(thaw_h_score, &o), number(golden, "h_score"));
		golden_probabilities(golden, &o);
		assert_close(score_of(thaw_leep, &o), number(golden, "leep"));
		table_free(&o);
	}
	json_decref(cases);
}

/* ---- Invariances ---- */

/* Features are multiples of 1/64 in -1 .. 2, so that the transformations below are exact. */
static struct owned coarse(int64_t count, int64_t width)
{
	const int classes = 3;
	struct owned o = table_create(count, width, classes);
	for (int64_t i = 0; i < count; i++) {
		o.labels[i] = (int32_t)(i % classes);
		for (int64_t j = 0; j < width; j++)
			o.features[i * width + j] = floorf(64 * formula_uniform(7, i * width + j, -1, 1)) / 64 +
						    (j % classes == o.labels[i]);
	}
	return o;
}

/* A reflection at a vector of 16 signs, for every 16 features: x - v (v . x) / 8. */
static void rotate(struct owned *o)
{
	enum { SIGNS = 16 };
	assert_int_equal(o->table.width % SIGNS, 0);
	for (float *x = o->features; x < o->features + o->table.count * o->table.width; x += SIGNS) {
		float product = 0;
		for (int j = 0; j < SIGNS; j++)
			product += j % 3 ? x[j] : -x[j];
		for (int j = 0; j < SIGNS; j++)
			x[j] -= (j % 3 ? product : -product) / (SIGNS / 2);
	}
}

static void scale(struct owned *o)
{
	for (int64_t k = 0; k < o->table.count * o->table.width; k++)
		o->features[k] *= 1024;
}

/* Reverses the order of the images. */
static void reverse(struct owned *o)
{
	const int64_t n = o->table.count, width = o->table.width;
	for (int64_t i = 0; i < n / 2; i++) {
		int32_t label = o->labels[i];
		o->labels[i] = o->labels[n - 1 - i];
		o->labels[n - 1 - i] = label;
		for (int64_t j = 0; j < width; j++) {
			float x = o->features[i * width + j];
			o->features[i * width + j] = o->features[(n - 1 - i) * width + j];
			o->features[(n - 1 - i) * width + j] = x;
		}
	}
}

/* Inserts a class without images. */
static void add_empty_class(struct owned *o)
{
	o->table.classes++;
	for (int64_t i = 0; i < o->table.count; i++)
		o->labels[i] += o->labels[i] > 0;
}

static void scores_are_invariant(void **state)
{
	(void)state;
	static void (*const changes[])(struct owned *) = {rotate, scale, reverse, add_empty_class};
	static const int64_t shapes[][2] = {{100, 16}, {20, 64}, {48, 48}};
	for (size_t shape = 0; shape < sizeof(shapes) / sizeof(shapes[0]); shape++)
		for (size_t change = 0; change < sizeof(changes) / sizeof(changes[0]); change++)
			for (int s = 0; s < OF_FEATURES; s++) {
				struct owned o = coarse(shapes[shape][0], shapes[shape][1]);
				double before = score_of(of_features[s], &o);
				changes[change](&o);
				assert_close(score_of(of_features[s], &o), before);
				table_free(&o);
			}
}

/* Probabilities are multiples of 1/64. */
static void leep_is_invariant(void **state)
{
	(void)state;
	static void (*const changes[])(struct owned *) = {reverse, add_empty_class};
	for (size_t change = 0; change < sizeof(changes) / sizeof(changes[0]); change++) {
		struct owned o = coarse(30, 5);
		memset(o.features, 0, (size_t)(30 * 5) * sizeof(*o.features));
		for (int64_t k = 0; k < 30 * 64; k++) {
			int64_t source = k % 2 ? (int64_t)(formula_word(3, k) % 5) : o.labels[k / 64];
			o.features[k / 64 * 5 + source] += 1.0f / 64;
		}
		double before = score_of(thaw_leep, &o);
		assert_true(before < 0.0);
		changes[change](&o);
		assert_close(score_of(thaw_leep, &o), before);
		table_free(&o);
	}
}

/* Adding zero features changes nothing, although the other Gram matrix is now the smaller one. */
static void zero_features_change_nothing(void **state)
{
	(void)state;
	struct owned tall = coarse(60, 48), wide = table_create(60, 200, 3);
	memcpy(wide.labels, tall.labels, 60 * sizeof(*tall.labels));
	for (int64_t i = 0; i < 60; i++)
		memcpy(wide.features + i * 200 + 99, tall.features + i * 48, 48 * sizeof(*tall.features));
	assert_close(score_of(thaw_logme, &wide), score_of(thaw_logme, &tall));
	table_free(&tall);
	table_free(&wide);
}

/* Better features score higher. */
static void better_features_score_higher(void **state)
{
	(void)state;
	for (int s = 0; s < OF_FEATURES; s++) {
		struct owned good = coarse(60, 12), bad = coarse(60, 12);
		for (int64_t i = 0; i < 60; i++) /* labels unrelated to the features */
			bad.labels[i] = (int32_t)(i / 20);
		assert_true(score_of(of_features[s], &good) > score_of(of_features[s], &bad));
		table_free(&good);
		table_free(&bad);
	}
}

/* ---- Invalid, empty and tiny tables ---- */

static void assert_fails(score_function *score, const struct owned *o, thaw_status status, const char *words)
{
	double value = 5.0;
	assert_int_equal(score(&o->table, &value), status);
	assert_non_null(strstr(thaw_error_message(), words));
	assert_true(value == 5.0);
}

static void invalid_tables_are_refused(void **state)
{
	(void)state;
	static score_function *const scores[] = {thaw_logme, thaw_h_score, thaw_leep};
	for (size_t s = 0; s < sizeof(scores) / sizeof(scores[0]); s++) {
		struct owned o = coarse(6, 4);
		o.features[9] = NAN;
		assert_fails(scores[s], &o, THAW_DATA, "feature 1 of image 2");
		o.features[9] = INFINITY;
		assert_fails(scores[s], &o, THAW_DATA, "feature 1 of image 2");
		o.table.classes = 2;
		assert_fails(scores[s], &o, THAW_CONFIG, "class 2 of 2");
		o.table.classes = 3;
		o.labels[1] = -1;
		assert_fails(scores[s], &o, THAW_CONFIG, "class -1 of 3");
		memset(o.labels, 0, 6 * sizeof(*o.labels));
		assert_fails(scores[s], &o, THAW_CONFIG, "one class");
		o.table.count = 1;
		assert_fails(scores[s], &o, THAW_CONFIG, "one class");
		o.table.count = 0;
		assert_fails(scores[s], &o, THAW_CONFIG, "0 images");
		table_free(&o);
	}
}

static void leep_needs_probabilities(void **state)
{
	(void)state;
	struct owned o = coarse(6, 4);
	assert_fails(thaw_leep, &o, THAW_CONFIG, "not probabilities");
	for (int64_t k = 0; k < 24; k++)
		o.features[k] = 0.25f;
	assert_close(score_of(thaw_leep, &o), log(1.0 / 3)); /* uninformative */
	o.features[0] = -0.25f, o.features[1] = 0.75f;
	assert_fails(thaw_leep, &o, THAW_CONFIG, "not probabilities");
	memset(o.features, 0, 24 * sizeof(*o.features));
	for (int64_t i = 0; i < 6; i++)
		o.features[i * 4 + o.labels[i]] = 1.0f;
	assert_true(score_of(thaw_leep, &o) == 0.0); /* perfect */
	table_free(&o);
}

/* Constant features: scores are finite, the H-score is 0. */
static void constant_features_have_finite_scores(void **state)
{
	(void)state;
	static const float values[] = {0.0f, 2.7f, 1e38f, 1e-44f};
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
		for (int64_t width = 3; width <= 12; width += 9) {
			struct owned o = coarse(6, width);
			for (int64_t k = 0; k < 6 * width; k++)
				o.features[k] = values[v];
			score_of(thaw_logme, &o);
			assert_true(score_of(thaw_h_score, &o) == 0.0);
			table_free(&o);
		}
}

/* One-hot classes as features, at all magnitudes of a float: the H-score is maximal except for the shrinkage. */
static void perfect_features_have_the_highest_scores(void **state)
{
	(void)state;
	static const float values[] = {1.0f, 1e38f, 1e-44f};
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		struct owned o = coarse(30, 4), weak = coarse(30, 4);
		memset(o.features, 0, 120 * sizeof(*o.features));
		for (int64_t i = 0; i < 30; i++)
			o.features[i * 4 + o.labels[i]] = values[v];
		assert_true(score_of(thaw_logme, &o) > score_of(thaw_logme, &weak));
		assert_true(score_of(thaw_h_score, &o) > 1.8 && score_of(thaw_h_score, &o) <= 2.0);
		table_free(&o);
		table_free(&weak);
	}
}

/* One feature, a class with one image, two images, the same twice. */
static void few_features_and_images_have_scores(void **state)
{
	(void)state;
	for (int s = 0; s < OF_FEATURES; s++) {
		struct owned single = coarse(9, 1), lone = coarse(9, 5), two = coarse(2, 5), same = coarse(2, 5);
		for (int64_t i = 0; i < 9; i++)
			lone.labels[i] = i == 4;
		memcpy(same.features + 5, same.features, 5 * sizeof(*same.features));
		assert_true(score_of(of_features[s], &single) != 0.0);
		score_of(of_features[s], &lone);
		assert_true(score_of(of_features[s], &two) > score_of(of_features[s], &same));
		table_free(&single);
		table_free(&lone);
		table_free(&two);
		table_free(&same);
	}
}

/* ---- Building blocks ---- */

static void eigenvectors_satisfy_their_equation(void **state)
{
	(void)state;
	enum { N = 5 };
	double a[N * N], vector[N * N], value[N];
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			a[i * N + j] = cos(i * j) + (i == j ? i : 0);
	for (int i = 0; i < N; i++) /* the upper triangle is not read */
		for (int j = 0; j < N; j++)
			vector[i * N + j] = j <= i ? a[i * N + j] : NAN;
	assert_int_equal(thaw_eigen_symmetric(N, vector, value), THAW_OK);
	for (int k = 0; k < N; k++) {
		assert_true(k == 0 || value[k] > value[k - 1]);
		double square = 0.0;
		for (int i = 0; i < N; i++) {
			double product = 0.0;
			for (int j = 0; j < N; j++)
				product += a[i * N + j] * vector[k * N + j];
			assert_true(fabs(product - value[k] * vector[k * N + i]) < 1e-13);
			square += vector[k * N + i] * vector[k * N + i];
		}
		assert_close(square, 1.0);
	}
	assert_int_equal(thaw_eigen_symmetric(0, vector, value), THAW_CONFIG);
	assert_int_equal(thaw_eigen_symmetric(1 << 16, vector, value), THAW_CONFIG);
}

/* Tables of several blocks, tall and wide: a matrix and its transpose have the same singular values. */
static void a_transpose_has_the_same_spectrum(void **state)
{
	(void)state;
	enum { LONG = 6000, SHORT = 200 };
	struct owned tall = coarse(LONG, SHORT), wide = table_create(SHORT, LONG, 3);
	struct thaw_spectrum a, b;
	double squares = 0.0, trace = 0.0;
	for (int64_t i = 0; i < LONG; i++)
		for (int64_t j = 0; j < SHORT; j++) {
			float x = tall.features[i * SHORT + j];
			wide.features[j * LONG + i] = x;
			squares += (double)x * x;
		}
	assert_int_equal(thaw_spectrum_create(&tall.table, false, &a), THAW_OK);
	assert_int_equal(thaw_spectrum_create(&wide.table, false, &b), THAW_OK);
	assert_int_equal(a.rank, SHORT);
	assert_int_equal(b.rank, SHORT);
	for (int i = 0; i < SHORT; i++) {
		assert_close(a.value[i], b.value[i]);
		trace += a.value[i];
	}
	assert_close(trace, squares);
	thaw_spectrum_destroy(&a);
	thaw_spectrum_destroy(&b);
	table_free(&tall);
	table_free(&wide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scores_equal_the_golden_values),
		cmocka_unit_test(scores_are_invariant),
		cmocka_unit_test(leep_is_invariant),
		cmocka_unit_test(zero_features_change_nothing),
		cmocka_unit_test(better_features_score_higher),
		cmocka_unit_test(invalid_tables_are_refused),
		cmocka_unit_test(leep_needs_probabilities),
		cmocka_unit_test(constant_features_have_finite_scores),
		cmocka_unit_test(perfect_features_have_the_highest_scores),
		cmocka_unit_test(few_features_and_images_have_scores),
		cmocka_unit_test(eigenvectors_satisfy_their_equation),
		cmocka_unit_test(a_transpose_has_the_same_spectrum),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
