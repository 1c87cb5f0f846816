/* Linear probes: leave-one-out results against probes refitted without each image by normal equations, the weights
 * against a fit to all images, and tiny tables. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "src/advise/probe.h"
#include "tests/unit/formula_weights.h"

/* Accuracy by thaw_probe_evaluate. */
static double accuracy_of(const struct thaw_probe *probe, const struct thaw_feature_table *t)
{
	double accuracy, loss;
	assert_int_equal(thaw_probe_evaluate(probe, t, &accuracy, &loss), THAW_OK);
	assert_true(loss >= 0.0);
	return accuracy;
}

#define TOLERANCE 1e-6 /* of losses and logits, relative to 1 */

/* The search grids of probe.c. */
enum { RIDGES = 15, SCALES = 15 };
#define RIDGE_FIRST 1e-5
#define RIDGE_STEP  3.1622776601683795
#define SCALE_STEP  1.4142135623730951

enum { MOST_IMAGES = 64, MOST_WIDTH = 96, MOST_CLASSES = 8 };

/* A table that owns its arrays. */
struct owned {
	struct thaw_feature_table table;
	float features[MOST_IMAGES * MOST_WIDTH];
	int32_t labels[MOST_IMAGES];
};

/* A ridge regression by normal equations. */
struct refit {
	double weight[MOST_WIDTH][MOST_CLASSES], mean[MOST_WIDTH], share[MOST_CLASSES];
};

/* Results of refitting without each image. */
struct expected {
	double ridge, scale, accuracy, loss;
	struct refit all;
};

/* Noise plus a weak signal of the class. */
static struct owned *table_create(int64_t count, int64_t width, int classes)
{
	struct owned *o = calloc(1, sizeof(*o));
	assert_non_null(o);
	assert_true(count <= MOST_IMAGES && width <= MOST_WIDTH && classes <= MOST_CLASSES);
	o->table = (struct thaw_feature_table){count, width, o->features, o->labels, classes};
	for (int64_t i = 0; i < count; i++) {
		o->labels[i] = (int32_t)(i % classes);
		for (int64_t j = 0; j < width; j++)
			o->features[i * width + j] =
				formula_uniform(11, i * width + j, -1, 1) + 0.6f * (j % classes == o->labels[i]) + 2.0f;
	}
	return o;
}

/* Solves a x = b for several columns of b, which x replaces; a is symmetric and positive. */
static void solve(int64_t d, double a[][MOST_WIDTH], double b[][MOST_CLASSES], int classes)
{
	for (int64_t k = 0; k < d; k++)
		for (int64_t i = k + 1; i < d; i++) {
			double factor = a[i][k] / a[k][k];
			for (int64_t j = k; j < d; j++)
				a[i][j] -= factor * a[k][j];
			for (int c = 0; c < classes; c++)
				b[i][c] -= factor * b[k][c];
		}
	for (int64_t k = d - 1; k >= 0; k--)
		for (int c = 0; c < classes; c++) {
			for (int64_t j = k + 1; j < d; j++)
				b[k][c] -= a[k][j] * b[j][c];
			b[k][c] /= a[k][k];
		}
}

/* Means over all images except `without` (-1: over all). */
static void take_means(const struct thaw_feature_table *t, int64_t without, struct refit *f)
{
	const double n = (double)(t->count - (without >= 0));
	memset(f, 0, sizeof(*f));
	for (int64_t i = 0; i < t->count; i++) {
		if (i == without)
			continue;
		f->share[t->labels[i]] += 1.0 / n;
		for (int64_t j = 0; j < t->width; j++)
			f->mean[j] += t->features[i * t->width + j] / n;
	}
}

/* Solves (X'X + ridge) W = X'Y with centred X and Y. Returns the trace of X'X. */
static double fit(const struct thaw_feature_table *t, int64_t without, double ridge, struct refit *f)
{
	static double a[MOST_WIDTH][MOST_WIDTH];
	double x[MOST_WIDTH], trace = 0.0;
	memset(a, 0, sizeof(a));
	take_means(t, without, f);
	for (int64_t i = 0; i < t->count; i++) {
		if (i == without)
			continue;
		for (int64_t j = 0; j < t->width; j++)
			x[j] = t->features[i * t->width + j] - f->mean[j];
		for (int64_t j = 0; j < t->width; j++) {
			for (int64_t k = 0; k < t->width; k++)
				a[j][k] += x[j] * x[k];
			for (int c = 0; c < t->classes; c++)
				f->weight[j][c] += x[j] * ((t->labels[i] == c) - f->share[c]);
		}
	}
	for (int64_t j = 0; j < t->width; j++) {
		trace += a[j][j];
		a[j][j] += ridge;
	}
	if (ridge > 0.0)
		solve(t->width, a, f->weight, t->classes);
	return trace;
}

static void predict(const struct thaw_feature_table *t, int64_t i, const struct refit *f, double *p)
{
	for (int c = 0; c < t->classes; c++) {
		p[c] = f->share[c];
		for (int64_t j = 0; j < t->width; j++)
			p[c] += (t->features[i * t->width + j] - f->mean[j]) * f->weight[j][c];
	}
}

static int largest(const double *p, int classes)
{
	int best = 0;
	for (int c = 1; c < classes; c++)
		best = p[c] > p[best] ? c : best;
	return best;
}

/* Of an image with prediction p. */
static double loss_of(const double *p, int classes, int label, double scale)
{
	double sum = 0.0;
	for (int c = 0; c < classes; c++)
		sum += exp(scale * (p[c] - p[label]));
	return log(sum);
}

/* Returns the mean squared residual. */
static double leave_each_out(const struct thaw_feature_table *t, double ridge, double p[][MOST_CLASSES])
{
	static struct refit f;
	double squares = 0.0;
	for (int64_t i = 0; i < t->count; i++) {
		fit(t, i, ridge, &f);
		predict(t, i, &f, p[i]);
		for (int c = 0; c < t->classes; c++)
			squares += (p[i][c] - (t->labels[i] == c)) * (p[i][c] - (t->labels[i] == c));
	}
	return squares / (double)t->count;
}

/* rank: of the centred features; given by the caller. */
static struct expected *expect(const struct thaw_feature_table *t, int64_t rank)
{
	static double p[MOST_IMAGES][MOST_CLASSES], now[MOST_IMAGES][MOST_CLASSES];
	static struct expected e;
	double least = INFINITY, scale = 1.0;
	double ridge = RIDGE_FIRST * (rank > 0 ? fit(t, -1, 0.0, &e.all) / (double)rank : 1.0);
	e = (struct expected){.loss = INFINITY};
	for (int r = 0; r < RIDGES; r++, ridge *= RIDGE_STEP) {
		double squares = leave_each_out(t, ridge, now);
		if (squares < least) {
			least = squares;
			e.ridge = ridge;
			memcpy(p, now, sizeof(p));
		}
	}
	take_means(t, -1, &e.all);
	for (int64_t i = 0; i < t->count; i++) /* class shares of all images */
		for (int c = 0; c < t->classes; c++)
			p[i][c] += ((t->labels[i] == c) - e.all.share[c]) / (double)(t->count - 1);
	for (int64_t i = 0; i < t->count; i++)
		e.accuracy += (largest(p[i], t->classes) == t->labels[i]) / (double)t->count;
	for (int s = 0; s < SCALES; s++, scale *= SCALE_STEP) {
		double loss = 0.0;
		for (int64_t i = 0; i < t->count; i++)
			loss += loss_of(p[i], t->classes, t->labels[i], scale) / (double)t->count;
		if (loss < e.loss) {
			e.loss = loss;
			e.scale = scale;
		}
	}
	fit(t, -1, e.ridge, &e.all);
	return &e;
}

static struct thaw_probe probe_of(const struct owned *o)
{
	struct thaw_probe probe;
	if (thaw_probe_fit(&probe, &o->table) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	assert_int_equal(probe.width, o->table.width);
	assert_int_equal(probe.classes, o->table.classes);
	assert_true(isfinite(probe.loss) && probe.loss >= 0.0);
	return probe;
}

static void assert_close(const char *what, double actual, double expected, double size)
{
	if (!(fabs(actual - expected) <= TOLERANCE * fmax(size, 1.0)))
		fail_msg("%s is %.9g instead of %.9g", what, actual, expected);
}

/* The logits of the weights are the scaled predictions of the regression over all images. */
static void check_weights(const struct owned *o, const struct thaw_probe *probe, const struct expected *e)
{
	int64_t right = 0, unsure = 0; /* within rounding of a tie */
	for (int64_t i = 0; i < o->table.count; i++) {
		double p[MOST_CLASSES], logits[MOST_CLASSES];
		predict(&o->table, i, &e->all, p);
		for (int c = 0; c < o->table.classes; c++) {
			double size = fabs((double)probe->bias[c]);
			logits[c] = probe->bias[c];
			for (int64_t j = 0; j < o->table.width; j++) {
				double part = (double)probe->weight[c * probe->width + j] *
					      o->features[i * o->table.width + j];
				logits[c] += part;
				size += fabs(part);
			}
			assert_close("a logit", logits[c], e->scale * p[c], size);
		}
		int best = largest(logits, o->table.classes);
		for (int c = 0; c < o->table.classes; c++)
			unsure += c != best && logits[c] > logits[best] - 1e-4;
		right += best == o->labels[i];
	}
	if (unsure == 0)
		assert_close("accuracy of all", accuracy_of(probe, &o->table), (double)right / (double)o->table.count,
			     1.0);
}

/* Frees the table. */
static void check(struct owned *o, int64_t rank)
{
	struct thaw_probe probe = probe_of(o);
	const struct expected *e = expect(&o->table, rank);
	assert_close("accuracy", probe.accuracy, e->accuracy, 1.0);
	assert_close("loss", probe.loss, e->loss, e->loss);
	check_weights(o, &probe, e);
	thaw_probe_release(&probe);
	free(o);
}

/* ---- Against refits ---- */

static void leave_one_out_equals_refitting(void **state)
{
	(void)state;
	check(table_create(60, 12, 3), 12);
	check(table_create(20, 48, 4), 19);
	check(table_create(24, 24, 3), 23);
	check(table_create(25, 24, 3), 24);
	check(table_create(40, 1, 2), 1);
}

/* Linearly dependent features, in tall and wide tables. */
static void dependent_features_equal_refitting(void **state)
{
	(void)state;
	static const int64_t shapes[][2] = {{50, 20}, {15, 40}};
	enum { RANK = 6 };
	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
		struct owned *o = table_create(shapes[s][0], shapes[s][1], 3);
		for (int64_t i = 0; i < o->table.count; i++) {
			float *x = o->features + i * o->table.width;
			for (int64_t j = 0; j < o->table.width; j++)
				x[j] = j < RANK ? floorf(x[j] * 1024) / 1024 : x[j % RANK] + x[(j + j / RANK) % RANK];
		}
		check(o, RANK);
	}
}

static void duplicate_images_equal_refitting(void **state)
{
	(void)state;
	for (int64_t width = 6; width <= 48; width += 42) {
		struct owned *o = table_create(24, width, 3);
		for (int64_t i = 1; i < 24; i += 2) { /* half of the duplicates have another label */
			memcpy(o->features + i * width, o->features + (i - 1) * width,
			       (size_t)width * sizeof(*o->features));
			if (i % 4 == 1)
				o->labels[i] = o->labels[i - 1];
		}
		check(o, width < 12 ? width : 11);
	}
}

/* An image far from all others: leverage close to 1. */
static void an_outlier_equals_refitting(void **state)
{
	(void)state;
	static const float factors[] = {30.0f, 1e3f, 1e5f};
	for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++)
		for (int64_t width = 12; width <= 60; width += 48) {
			struct owned *o = table_create(40, width, 4);
			for (int64_t j = 0; j < width; j++)
				o->features[7 * width + j] *= factors[f];
			check(o, width < 39 ? width : 39);
		}
}

/* A mislabelled image with a feature that no other image has: the full fit predicts its label, the leave-one-out fit
 * does not. */
static void a_mislabelled_image_is_not_predicted_without_itself(void **state)
{
	(void)state;
	for (int64_t width = 30; width <= 60; width += 30) {
		struct owned *o = table_create(40, width, 4);
		for (int64_t i = 0; i < 40; i++)
			for (int64_t j = 0; j < width; j++)
				o->features[i * width + j] = 4.0f * (float)(j % 4 == o->labels[i]) +
							     formula_uniform(3, i * width + j, -0.1, 0.1);
		for (int64_t i = 0; i < 40; i++)
			o->features[i * width + width - 1] = i == 7 ? 1000.0f : 0.0f;
		o->labels[7] = 0;
		struct thaw_probe probe = probe_of(o);
		assert_true(fabs(probe.accuracy - 39.0 / 40.0) < 1e-12);
		thaw_probe_release(&probe);
		check(o, width < 39 ? width : 39);
	}
}

/* Uninformative features are regularised strongly, perfect ones are not. */
static void noise_is_regularised_more_than_signal(void **state)
{
	(void)state;
	struct owned *noise = table_create(60, 40, 3), *signal = table_create(60, 40, 3);
	for (int64_t k = 0; k < 60 * 40; k++) {
		noise->features[k] = formula_uniform(5, k, -1, 1);
		signal->features[k] =
			(float)(k % 40 % 3 == signal->labels[k / 40]) + 0.01f * formula_uniform(6, k, -1, 1);
	}
	assert_true(expect(&noise->table, 40)->ridge > expect(&signal->table, 40)->ridge);
	check(noise, 40);
	struct thaw_probe probe = probe_of(signal);
	assert_true(probe.accuracy == 1.0);
	assert_true(probe.loss < 1e-3);
	thaw_probe_release(&probe);
	check(signal, 40);
}

/* ---- Invalid and tiny tables ---- */

static void constant_features_predict_the_largest_class(void **state)
{
	(void)state;
	for (int64_t width = 3; width <= 40; width += 37) {
		struct owned *o = table_create(20, width, 3);
		for (int64_t k = 0; k < 20 * width; k++)
			o->features[k] = 2.7f;
		for (int64_t i = 0; i < 12; i++)
			o->labels[i] = 1;
		struct thaw_probe probe = probe_of(o);
		int most = 0;
		for (int64_t i = 0; i < 20; i++)
			most += o->labels[i] == 1;
		assert_true(fabs(probe.accuracy - most / 20.0) < 1e-12); /* the largest class, whatever the image */
		thaw_probe_release(&probe);
		check(o, 0);
	}
}

/* A class with one image or none cannot be predicted for a left-out image. */
static void a_class_with_one_image_is_not_predicted(void **state)
{
	(void)state;
	struct owned *o = table_create(30, 10, 2);
	for (int64_t i = 0; i < 30; i++)
		for (int64_t j = 0; j < 10; j++)
			o->features[i * 10 + j] += 8.0f * (float)(j == o->labels[i]);
	o->table.classes = 5;
	o->labels[9] = 3;
	for (int64_t j = 0; j < 10; j++)
		o->features[9 * 10 + j] = j == 5 ? 20.0f : 0.0f;
	struct thaw_probe probe = probe_of(o);
	assert_true(probe.accuracy < 1.0);
	thaw_probe_release(&probe);
	check(o, 10);
}

/* Two images of different classes. */
static void two_images_are_enough_for_a_fit(void **state)
{
	(void)state;
	for (int64_t width = 1; width <= 9; width += 8) {
		struct owned *o = table_create(2, width, 2);
		struct thaw_probe probe = probe_of(o);
		assert_true(probe.accuracy >= 0.0 && probe.accuracy <= 1.0); /* both classes are equally likely */
		assert_true(accuracy_of(&probe, &o->table) == 1.0);
		thaw_probe_release(&probe);
		free(o);
	}
}

static void assert_fit_fails(const struct owned *o, thaw_status status, const char *words)
{
	struct thaw_probe probe = {.width = 77};
	assert_int_equal(thaw_probe_fit(&probe, &o->table), status);
	assert_non_null(strstr(thaw_error_message(), words));
	assert_int_equal(probe.width, 77);
}

static void invalid_tables_are_refused(void **state)
{
	(void)state;
	struct owned *o = table_create(9, 4, 3);
	o->features[9] = NAN;
	assert_fit_fails(o, THAW_DATA, "feature 1 of image 2");
	o->features[9] = 0.0f;
	o->labels[3] = 3;
	assert_fit_fails(o, THAW_CONFIG, "class 3 of 3");
	memset(o->labels, 0, sizeof(o->labels));
	assert_fit_fails(o, THAW_CONFIG, "one class");
	o->table.count = 0;
	assert_fit_fails(o, THAW_CONFIG, "0 images");
	free(o);
}

/* The accuracy does not depend on the scale of the features. */
static void the_scale_of_features_does_not_matter(void **state)
{
	(void)state;
	static const float factors[] = {0x1p-90f, 0x1p100f};
	for (size_t f = 0; f < sizeof(factors) / sizeof(factors[0]); f++)
		for (int64_t width = 12; width <= 60; width += 48) {
			struct owned *o = table_create(40, width, 4);
			struct thaw_probe plain = probe_of(o);
			double all = accuracy_of(&plain, &o->table);
			for (int64_t k = 0; k < 40 * width; k++)
				o->features[k] *= factors[f];
			struct thaw_probe scaled = probe_of(o);
			assert_close("accuracy", scaled.accuracy, plain.accuracy, 1.0);
			assert_close("loss", scaled.loss, plain.loss, 1.0);
			assert_close("accuracy of all", accuracy_of(&scaled, &o->table), all, 1.0);
			thaw_probe_release(&plain);
			thaw_probe_release(&scaled);
			free(o);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leave_one_out_equals_refitting),
		cmocka_unit_test(dependent_features_equal_refitting),
		cmocka_unit_test(duplicate_images_equal_refitting),
		cmocka_unit_test(an_outlier_equals_refitting),
		cmocka_unit_test(a_mislabelled_image_is_not_predicted_without_itself),
		cmocka_unit_test(noise_is_regularised_more_than_signal),
		cmocka_unit_test(constant_features_predict_the_largest_class),
		cmocka_unit_test(a_class_with_one_image_is_not_predicted),
		cmocka_unit_test(two_images_are_enough_for_a_fit),
		cmocka_unit_test(invalid_tables_are_refused),
		cmocka_unit_test(the_scale_of_features_does_not_matter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
