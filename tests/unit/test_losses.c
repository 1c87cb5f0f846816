/* Losses of labels, grades and numbers, and the focal loss: against values of PyTorch and of hand, and against finite
 * differences. How the objective of a training applies weights of images and classes. */
#include "tests/scratch.h"

#include <math.h>

#include "src/train/objective.h"

enum { OUTPUTS = 3 };

static void assert_near(double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("got %.9g, want %.9g within %.1g", got, want, tolerance);
}

static const float outputs[2][OUTPUTS] = {{0.3f, -1.2f, 0.8f}, {2.0f, -0.5f, 0.0f}};
static const float targets[2][OUTPUTS] = {{1, 0, 1}, {0, 0, 1}};

static struct thaw_loss_input input_of(int i, int32_t label, double parameter)
{
	return (struct thaw_loss_input){
		.outputs = outputs[i], .count = OUTPUTS, .label = label, .targets = targets[i], .parameter = parameter};
}

static double value(thaw_loss_function *loss, int i, int32_t label, double parameter)
{
	const struct thaw_loss_input in = input_of(i, label, parameter);
	return loss(&in, NULL).loss;
}

/* ---- Values ------------------------------------------------------------------------------------------------------ */

/* BCEWithLogitsLoss, MSELoss, HuberLoss(delta=0.5), and torchvision's sigmoid_focal_loss(alpha=-1, gamma=2). */
static void losses_are_those_of_pytorch(void **state)
{
	(void)state;
	assert_near(value(thaw_loss_labels, 0, 0, 0), 0.39624612591811204, 1e-7);
	assert_near(value(thaw_loss_labels, 1, 0, 0), 1.0980507252610083, 1e-7);
	assert_near(value(thaw_loss_focal_labels, 0, 0, 2), 0.0500562666801169, 1e-7);
	assert_near(value(thaw_loss_focal_labels, 1, 0, 2), 0.6303128216929662, 1e-7);
	assert_near((value(thaw_loss_squares, 0, 0, 0) + value(thaw_loss_squares, 1, 0, 0)) / 2, 1.2033333333333334,
		    1e-7);
	assert_near((value(thaw_loss_huber, 0, 0, 0.5) + value(thaw_loss_huber, 1, 0, 0.5)) / 2, 0.3491666666666666,
		    1e-7);
}

/* -(1 - p)^2 log p of the softmax, by PyTorch. */
static void the_focal_loss_of_classes(void **state)
{
	(void)state;
	assert_near(value(thaw_loss_focal, 0, 1, 2), 2.1733624651546437, 1e-6);
	assert_near(value(thaw_loss_focal, 1, 0, 2), 0.006274782541526803, 1e-8);
	assert_near(value(thaw_loss_focal, 0, 1, 0), value(thaw_loss_classes, 0, 1, 0), 1e-12);
}

/* Sigmoids of the outputs 0, log 3 and 0 are 1/2, 3/4 and 1/2: P(grade) = 1/2, 1/8, 3/16, 3/16. */
static void grades_have_conditional_probabilities(void **state)
{
	const float x[OUTPUTS] = {0.0f, (float)log(3), 0.0f};
	const double want[OUTPUTS + 1] = {1.0 / 2, 1.0 / 8, 3.0 / 16, 3.0 / 16};
	float probability[OUTPUTS + 1];
	(void)state;
	thaw_grade_probabilities(x, OUTPUTS, probability);
	for (int32_t grade = 0; grade <= OUTPUTS; grade++) {
		const struct thaw_loss_input in = {.outputs = x, .count = OUTPUTS, .label = grade};
		assert_near(probability[grade], want[grade], 1e-7);
		assert_near(thaw_loss_grades(&in, NULL).loss, -log(want[grade]), 1e-6);
	}
	const float above[OUTPUTS] = {0.1f, 3.0f, -5.0f}; /* P(above 0), P(above 1) = 0.525, 0.50003 */
	assert_int_equal(thaw_grade_predict(above, OUTPUTS), 2);
	assert_int_equal(thaw_grade_predict(x, OUTPUTS), 0);
}

static void what_is_not_known_has_no_loss(void **state)
{
	const float partly[OUTPUTS] = {1, NAN, 1}, none[OUTPUTS] = {NAN, NAN, NAN};
	struct thaw_loss_input in = input_of(0, 0, 0);
	float d[OUTPUTS];
	(void)state;
	in.targets = partly;
	struct thaw_loss_sums sums = thaw_loss_labels(&in, d);
	assert_near(sums.loss, (log1p(exp(-0.3)) + log1p(exp(-0.8))) / 3, 1e-7);
	assert_near(sums.weight, 2.0 / 3, 1e-12);
	assert_near(sums.correct, 1.0, 0);
	assert_true(d[1] == 0.0f && d[0] < 0.0f);
	sums = thaw_loss_squares(&in, d);
	assert_near(sums.loss, (0.49 + 0.04) / 3, 1e-6);
	assert_near(sums.weight, 2.0 / 3, 1e-12);
	assert_true(d[1] == 0.0f);
	in.targets = none;
	sums = thaw_loss_labels(&in, d);
	assert_true(sums.loss == 0.0 && sums.weight == 0.0 && d[0] == 0.0f);
}

static void certain_outputs_stay_finite(void **state)
{
	const float x[OUTPUTS] = {1000.0f, -1000.0f, 0.0f}, all[OUTPUTS] = {1, 0, 1};
	thaw_loss_function *const losses[] = {thaw_loss_focal, thaw_loss_labels, thaw_loss_focal_labels,
					      thaw_loss_grades};
	(void)state;
	for (size_t k = 0; k < sizeof(losses) / sizeof(*losses); k++)
		for (int32_t label = 0; label < OUTPUTS; label++) {
			float d[OUTPUTS];
			const struct thaw_loss_input in = {
				.outputs = x, .count = OUTPUTS, .label = label, .targets = all, .parameter = 0.5};
			assert_true(isfinite(losses[k](&in, d).loss));
			for (int c = 0; c < OUTPUTS; c++)
				assert_true(isfinite(d[c]));
		}
}

/* ---- Gradients --------------------------------------------------------------------------------------------------- */

static void check_gradient(thaw_loss_function *loss, int32_t label, double parameter, const float *balance)
{
	const double step = 0x1p-8; /* exact in fp32 beside outputs of this size */
	float x[OUTPUTS] = {0.75f, -1.25f, 0.25f}, d[OUTPUTS];
	struct thaw_loss_input in = input_of(0, label, parameter);
	in.outputs = x;
	in.balance = balance;
	loss(&in, d);
	for (int c = 0; c < OUTPUTS; c++) {
		const float middle = x[c];
		x[c] = (float)(middle + step);
		double up = loss(&in, NULL).loss;
		x[c] = (float)(middle - step);
		double down = loss(&in, NULL).loss;
		x[c] = middle;
		assert_near(d[c], (up - down) / (2 * step), 5e-6);
	}
}

static void gradients_match_finite_differences(void **state)
{
	const float balance[2 * OUTPUTS] = {0.5f, 3.0f, 2.0f, 0.25f, 1.0f, 1.5f};
	(void)state;
	for (int32_t label = 0; label < OUTPUTS; label++) {
		check_gradient(thaw_loss_focal, label, 0.0, NULL);
		check_gradient(thaw_loss_focal, label, 0.5, NULL);
		check_gradient(thaw_loss_focal, label, 2.0, NULL);
		check_gradient(thaw_loss_grades, label, 0.0, NULL);
	}
	check_gradient(thaw_loss_grades, OUTPUTS, 0.0, NULL);
	check_gradient(thaw_loss_labels, 0, 0.0, NULL);
	check_gradient(thaw_loss_labels, 0, 0.0, balance);
	check_gradient(thaw_loss_focal_labels, 0, 2.0, balance);
	check_gradient(thaw_loss_focal_labels, 0, 0.5, NULL);
	check_gradient(thaw_loss_squares, 0, 0.0, NULL);
	check_gradient(thaw_loss_huber, 0, 0.5, NULL);
}

/* ---- The objective ----------------------------------------------------------------------------------------------- */

static char *names[OUTPUTS] = {"daisy", "rose", "tulip"};
static int32_t class_of[4] = {1, 0, 1, 1};

static struct thaw_dataset classes_of(float *weights)
{
	return (struct thaw_dataset){
		.count = 4, .classes = OUTPUTS, .class_names = names, .labels = class_of, .weights = weights};
}

static void open_objective(struct thaw_objective *o, const struct thaw_dataset *d, const char *loss,
			   const char *weights)
{
	if (thaw_objective_open(o, d, loss, weights, 0.0) != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

/* CrossEntropyLoss(weight=[0.5, 2, 1]) of PyTorch is the sum of the losses divided by the sum of the weights. */
static void class_weights_are_those_of_pytorch(void **state)
{
	const int64_t samples[2] = {0, 1};
	struct thaw_dataset d = classes_of(NULL);
	struct thaw_objective o;
	struct thaw_loss_sums sums;
	float gradient[2 * OUTPUTS], plain[OUTPUTS];
	(void)state;
	open_objective(&o, &d, NULL, "0.5,2,1");
	thaw_objective_loss(&o, outputs[0], samples, 2, gradient, &sums);
	assert_near(sums.loss / sums.weight, 2.083312355097516, 1e-6);
	assert_near(sums.weight, 2.5, 0);
	assert_near(sums.correct, 1.0, 0);
	const struct thaw_loss_input in = input_of(0, 1, 0);
	thaw_loss_classes(&in, plain);
	for (int c = 0; c < OUTPUTS; c++)
		assert_near(gradient[c], 2.0 * plain[c], 1e-7);
	thaw_objective_close(&o);
}

/* n / (K n_c) with n = 4, K = 3; a class without images has 1. Weights of images are factors. */
static void balanced_weights(void **state)
{
	float weights[4] = {0.5f, 1, 1, 1};
	const int64_t samples[1] = {0};
	struct thaw_dataset d = classes_of(weights);
	struct thaw_objective o;
	struct thaw_loss_sums sums;
	float gradient[OUTPUTS];
	(void)state;
	open_objective(&o, &d, NULL, "balanced");
	assert_near(o.class_weights[0], 4.0 / 3, 1e-6);
	assert_near(o.class_weights[1], 4.0 / 9, 1e-6);
	assert_near(o.class_weights[2], 1.0, 0);
	thaw_objective_loss(&o, outputs[0], samples, 1, gradient, &sums);
	assert_near(sums.weight, 0.5 * 4.0 / 9, 1e-6);
	thaw_objective_close(&o);
}

/* Of three known images one has the first label: 3 / (2 * 2) for its absence, 3 / 2 for its presence. */
static void balanced_weights_of_labels(void **state)
{
	float labels[4 * OUTPUTS] = {1, 0, 0, 0, 0, 0, 0, 0, 0, NAN, 1, 0};
	struct thaw_dataset d = classes_of(NULL);
	struct thaw_objective o;
	(void)state;
	d.task = THAW_TASK_LABELS;
	d.targets = labels;
	open_objective(&o, &d, NULL, "balanced");
	assert_near(o.class_weights[0], 0.75, 1e-6);
	assert_near(o.class_weights[1], 1.5, 1e-6);
	assert_near(o.class_weights[4], 0.5, 1e-6); /* no image has the third */
	assert_near(o.class_weights[5], 1.0, 0);
	thaw_objective_close(&o);
}

static void weights_from_a_file(void **state)
{
	const struct scratch *s = *state;
	struct thaw_dataset d = classes_of(NULL);
	struct thaw_objective o;
	const char *path = scratch_file(s, "weights.json");
	scratch_put(path, "{\"tulip\": 2.5}", 14);
	open_objective(&o, &d, NULL, path);
	assert_near(o.class_weights[0], 1.0, 0);
	assert_near(o.class_weights[2], 2.5, 0);
	json_t *recorded = thaw_class_weights_json(&o, path);
	assert_int_equal(json_array_size(recorded), OUTPUTS);
	assert_near(json_number_value(json_array_get(recorded, 2)), 2.5, 0);
	json_decref(recorded);
	thaw_objective_close(&o);
	scratch_put(path, "{\"tulips\": 2.5}", 15);
	assert_int_equal(thaw_objective_open(&o, &d, NULL, path, 0.0), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "tulips"));
	thaw_objective_close(&o);
}

/* The network learns (value - 4) / 2. */
static void numbers_are_standardised(void **state)
{
	float numbers[4 * OUTPUTS] = {2, 7, NAN, 6, 7, NAN, 2, 7, NAN, 6, 7, NAN};
	const float y[OUTPUTS] = {0.5f, 0, 0};
	const int64_t samples[1] = {1};
	struct thaw_dataset d = classes_of(NULL);
	struct thaw_objective o;
	struct thaw_loss_sums sums;
	float gradient[OUTPUTS];
	(void)state;
	d.task = THAW_TASK_VALUE;
	d.targets = numbers;
	open_objective(&o, &d, NULL, NULL);
	assert_near(o.mean[0], 4, 0);
	assert_near(o.deviation[0], 2, 0);
	assert_near(o.deviation[1], 1, 0); /* all equal */
	assert_near(o.deviation[2], 1, 0); /* none known */
	thaw_objective_loss(&o, y, samples, 1, gradient, &sums);
	assert_near(sums.loss, 0.25 / 3, 1e-7);
	assert_near(sums.weight, 2.0 / 3, 1e-7);
	thaw_objective_close(&o);
}

/* Each is refused, and the message contains the text. */
static void what_does_not_fit_is_refused(void **state)
{
	static const struct {
		enum thaw_task task;
		const char *loss, *weights;
		double smoothing;
		const char *message;
	} cases[] = {
		{THAW_TASK_CLASS, "mse", NULL, 0, "give cross-entropy or focal"},
		{THAW_TASK_VALUE, "cross-entropy", NULL, 0, "give mse or huber"},
		{THAW_TASK_GRADE, "focal", NULL, 0, "ordered grades"},
		{THAW_TASK_CLASS, "cross-entropy:2", NULL, 0, "give cross-entropy alone"},
		{THAW_TASK_CLASS, "focal:", NULL, 0, "focal:NUMBER"},
		{THAW_TASK_CLASS, "focal:-1", NULL, 0, "focal:NUMBER"},
		{THAW_TASK_CLASS, "focal:2x", NULL, 0, "focal:NUMBER"},
		{THAW_TASK_VALUE, "huber:0", NULL, 0, "huber:NUMBER"},
		{THAW_TASK_CLASS, "focal", NULL, 0.1, "--label-smoothing"},
		{THAW_TASK_CLASS, NULL, "1,2", 0, "fewer numbers than classes"},
		{THAW_TASK_CLASS, NULL, "1,2,3,4", 0, "more numbers than classes"},
		{THAW_TASK_CLASS, NULL, "1,0,3", 0, "rose"},
		{THAW_TASK_CLASS, NULL, "1,-2,3", 0, "rose"},
		{THAW_TASK_CLASS, NULL, "no/such/file", 0, "no/such/file"},
		{THAW_TASK_VALUE, NULL, "balanced", 0, "no classes"},
	};
	float numbers[4 * OUTPUTS] = {0};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_dataset d = classes_of(NULL);
		struct thaw_objective o;
		d.task = cases[i].task;
		d.targets = numbers;
		thaw_status status = thaw_objective_open(&o, &d, cases[i].loss, cases[i].weights, cases[i].smoothing);
		if (status == THAW_OK || !strstr(thaw_error_message(), cases[i].message))
			fail_msg("case %zu: %d: %s", i, status, thaw_error_message());
		thaw_objective_close(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(losses_are_those_of_pytorch),
		cmocka_unit_test(the_focal_loss_of_classes),
		cmocka_unit_test(grades_have_conditional_probabilities),
		cmocka_unit_test(what_is_not_known_has_no_loss),
		cmocka_unit_test(certain_outputs_stay_finite),
		cmocka_unit_test(gradients_match_finite_differences),
		cmocka_unit_test(class_weights_are_those_of_pytorch),
		cmocka_unit_test(balanced_weights),
		cmocka_unit_test(balanced_weights_of_labels),
		cmocka_unit_test_setup_teardown(weights_from_a_file, scratch_make, scratch_remove),
		cmocka_unit_test(numbers_are_standardised),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
