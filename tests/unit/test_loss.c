/* Cross entropy and softmax: against values known from theory, against finite differences, and at extreme values where
 * the textbook formula overflows. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "thaw/ops.h"

static void assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("got %.9g, want %.9g within %.1g", got, want, tolerance);
}

static double loss_of(const float *logits, int64_t n, int64_t classes, const int32_t *label, float smoothing)
{
	double loss;
	int64_t correct;
	thaw_cross_entropy(logits, n, classes, label, smoothing, NULL, &loss, &correct);
	return loss;
}

/* With equal logits every class has probability 1/C, and the loss is log C for any label and smoothing. */
static void equal_logits_have_loss_log_classes(void **state)
{
	float logits[2 * 5] = {0, 0, 0, 0, 0, 3, 3, 3, 3, 3};
	int32_t label[2] = {4, 0};
	(void)state;
	assert_near(loss_of(logits, 2, 5, label, 0.0f), 2 * log(5), 1e-12);
	assert_near(loss_of(logits, 2, 5, label, 0.3f), 2 * log(5), 1e-12);
}

/* Two classes are logistic regression: loss = log(1 + exp(-margin)). */
static void two_classes_are_logistic_regression(void **state)
{
	float logits[2] = {1.5f, -0.25f};
	int32_t label[1] = {0};
	float dlogits[2];
	double loss;
	int64_t correct;
	(void)state;
	thaw_cross_entropy(logits, 1, 2, label, 0.0f, dlogits, &loss, &correct);
	assert_near(loss, log1p(exp(-1.75)), 1e-12);
	assert_near(dlogits[0], -1 / (1 + exp(1.75)), 1e-7);
	assert_near(dlogits[1], 1 / (1 + exp(1.75)), 1e-7);
	assert_int_equal(correct, 1);
}

/* The target is 0.1/4 + 0.9 at the label and 0.1/4 elsewhere. */
static void smoothing_spreads_the_target(void **state)
{
	float logits[4] = {0.5f, -1.0f, 2.0f, 0.25f};
	int32_t label[1] = {3};
	double sum = exp(0.5) + exp(-1.0) + exp(2.0) + exp(0.25), want = 0;
	(void)state;
	for (int c = 0; c < 4; c++)
		want -= (0.1 / 4 + (c == 3 ? 0.9 : 0)) * log(exp(logits[c]) / sum);
	assert_near(loss_of(logits, 1, 4, label, 0.1f), want, 1e-7); /* 0.1f is not 0.1 */
}

static void check_gradient(float smoothing)
{
	enum { N = 3, CLASSES = 4 };
	float logits[N * CLASSES] = {0.3f, -1.2f, 0.8f, 2.0f, -0.5f, 0.0f, 1.0f, -2.0f, 4.0f, 0.1f, -0.1f, 0.7f};
	float dlogits[N * CLASSES];
	int32_t label[N] = {1, 2, 0};
	double loss, step = 0x1p-8; /* exact in fp32 beside logits of this size */
	int64_t correct;

	thaw_cross_entropy(logits, N, CLASSES, label, smoothing, dlogits, &loss, &correct);
	assert_int_equal(correct, 2);
	for (int i = 0; i < N * CLASSES; i++) {
		float middle = logits[i], above = (float)(middle + step), below = (float)(middle - step);
		logits[i] = above;
		double up = loss_of(logits, N, CLASSES, label, smoothing);
		logits[i] = below;
		double down = loss_of(logits, N, CLASSES, label, smoothing);
		logits[i] = middle;
		assert_near(dlogits[i], (up - down) / ((double)above - below), 2e-6);
	}
}

static void the_gradient_matches_finite_differences(void **state)
{
	(void)state;
	check_gradient(0.0f);
	check_gradient(0.1f);
}

/* exp(1000) overflows even a double; the loss is the difference of the logits. */
static void large_logits_do_not_overflow(void **state)
{
	float logits[6] = {1000.0f, 0.0f, -1000.0f, -3e38f, 3e38f, 0.0f};
	int32_t label[2] = {1, 1};
	float dlogits[6];
	double loss;
	int64_t correct;
	(void)state;
	thaw_cross_entropy(logits, 2, 3, label, 0.0f, dlogits, &loss, &correct);
	assert_near(loss, 1000.0, 1e-9);
	assert_int_equal(correct, 1);
	for (int i = 0; i < 6; i++)
		assert_true(isfinite(dlogits[i]));
	assert_near(dlogits[0], 1, 0);
	assert_near(dlogits[1], -1, 0);
	assert_near(dlogits[4], 0, 0);
}

static void nan_propagates(void **state)
{
	float logits[3] = {0.0f, NAN, 1.0f};
	int32_t label[1] = {0};
	(void)state;
	assert_true(isnan(loss_of(logits, 1, 3, label, 0.0f)));
}

static void the_first_of_equal_logits_is_predicted(void **state)
{
	float logits[3] = {1.0f, 2.0f, 2.0f};
	double loss;
	int64_t correct;
	(void)state;
	thaw_cross_entropy(logits, 1, 3, (int32_t[]){1}, 0.0f, NULL, &loss, &correct);
	assert_int_equal(correct, 1);
	thaw_cross_entropy(logits, 1, 3, (int32_t[]){2}, 0.0f, NULL, &loss, &correct);
	assert_int_equal(correct, 0);
}

/* A rank whose lanes have no images left in an epoch still takes part in the step. */
static void a_batch_may_be_empty(void **state)
{
	double loss = 7;
	int64_t correct = 7;
	(void)state;
	thaw_cross_entropy(NULL, 0, 10, NULL, 0.1f, NULL, &loss, &correct);
	assert_near(loss, 0, 0);
	assert_int_equal(correct, 0);
	thaw_softmax(NULL, 0, 10, NULL);
}

static void softmax_works_in_place(void **state)
{
	float logits[8] = {0.5f, -1.0f, 2.0f, 0.25f, 1e4f, -1e4f, 1e4f, 0.0f};
	float in_place[8], probability[8];
	double sum = exp(0.5) + exp(-1.0) + exp(2.0) + exp(0.25);
	(void)state;
	thaw_softmax(logits, 2, 4, probability);
	for (int c = 0; c < 4; c++)
		assert_near(probability[c], exp(logits[c]) / sum, 1e-7);
	assert_near(probability[4], 0.5, 1e-7);
	assert_near(probability[5], 0, 0);
	assert_near(probability[6], 0.5, 1e-7);
	memcpy(in_place, logits, sizeof(logits));
	thaw_softmax(in_place, 2, 4, in_place);
	assert_memory_equal(in_place, probability, sizeof(probability));
}

/* Of two classes with scores 0 and log 3: probabilities 1/2 and 3/4. */
static void sigmoids_are_of_one_class_alone(void **state)
{
	(void)state;
	float logits[] = {0.0f, logf(3.0f), 200.0f, -200.0f}, p[4];
	const int32_t labels[] = {1, 0};
	thaw_sigmoids(logits, 4, p);
	assert_near(p[0], 0.5, 1e-7);
	assert_near(p[1], 0.75, 1e-7);
	assert_near(p[2], 1.0, 1e-7);
	assert_near(p[3], 0.0, 1e-7);
	assert_near(thaw_binary_cross_entropy(logits, 1, 2, labels), (log(2.0) - log(0.75)) / 2, 1e-7);
	assert_near(thaw_binary_cross_entropy(logits, 1, 2, labels + 1), (log(2.0) - log(0.25)) / 2, 1e-7);
	assert_near(thaw_binary_cross_entropy(logits + 2, 1, 2, labels + 1), 0.0, 1e-7);
	assert_near(thaw_binary_cross_entropy(logits + 2, 1, 2, labels), 200.0, 1e-4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_logits_have_loss_log_classes),
		cmocka_unit_test(sigmoids_are_of_one_class_alone),
		cmocka_unit_test(two_classes_are_logistic_regression),
		cmocka_unit_test(smoothing_spreads_the_target),
		cmocka_unit_test(the_gradient_matches_finite_differences),
		cmocka_unit_test(large_logits_do_not_overflow),
		cmocka_unit_test(nan_propagates),
		cmocka_unit_test(the_first_of_equal_logits_is_predicted),
		cmocka_unit_test(a_batch_may_be_empty),
		cmocka_unit_test(softmax_works_in_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
