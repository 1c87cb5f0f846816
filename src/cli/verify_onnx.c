#include "src/cli/verify_onnx.h"

#include <math.h>
#include <string.h>

#include "thaw/dataset.h"
#include "thaw/file.h"
#include "thaw/plan.h"

#define LARGEST_FILE ((size_t)1 << 30) /* bytes of an encoded image */
#define SAMPLES      64                /* of a dataset */
#define TOLERANCE    1e-4

/* Both networks, ready for one image. Their graphs run as they are: lowering would fold batch norms on both sides, and
 * what --fold-bn did to the file could not be seen. */
struct both {
	const struct thaw_model *model;
	struct thaw_model *written; /* the file, read back */
	struct thaw_plan *original, *exported;
};

static thaw_status compare(struct verification *v, struct both *b, const struct thaw_picture *picture)
{
	const int size = b->model->preprocess.size;
	float *x = thaw_plan_input(b->original);
	double largest = 0, difference = 0;
	THAW_TRY(thaw_transform_eval(picture, &b->model->preprocess, x));
	memcpy(thaw_plan_input(b->exported), x, (size_t)size * (size_t)size * 3 * sizeof *x);
	const float *y = thaw_plan_forward(b->original, 1, NULL);
	const float *z = thaw_plan_forward(b->exported, 1, NULL);
	for (int64_t c = 0; c < b->model->classes; c++) {
		bool same = y[c] == z[c];
		largest = fmax(largest, fabs(y[c]));
		difference = fmax(difference, same ? 0 : isnan(y[c]) || isnan(z[c]) ? INFINITY : fabs(y[c] - z[c]));
	}
	v->images++;
	v->difference = fmax(v->difference, difference > 0 ? difference / largest : 0);
	return THAW_OK;
}

static thaw_status compare_file(struct verification *v, struct both *b, const char *path)
{
	void *bytes;
	size_t size;
	struct thaw_picture picture;
	THAW_TRY(thaw_file_read(&bytes, &size, path, LARGEST_FILE));
	THAW_TRY(thaw_picture_open(&picture, bytes, size, path));
	thaw_status status = compare(v, b, &picture);
	thaw_picture_free(&picture);
	return status;
}

static thaw_status compare_dataset(struct verification *v, struct both *b, const char *path)
{
	struct thaw_dataset data = {0};
	const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1}; /* the defaults of thaw train */
	THAW_TRY(thaw_dataset_open(&data, path, THAW_SPLIT_TEST, &options));
	const int64_t count = data.count < SAMPLES ? data.count : SAMPLES;
	thaw_status status = THAW_OK;
	for (int64_t i = 0; i < count && status == THAW_OK; i++) {
		struct thaw_picture picture;
		status = data.read(&data, i * data.count / count, &picture);
		if (status == THAW_OK) {
			status = compare(v, b, &picture);
			thaw_picture_free(&picture);
		}
		status = status == THAW_DATA ? THAW_OK : status;
	}
	thaw_dataset_close(&data);
	if (status == THAW_OK && v->images == 0)
		return thaw_fail(THAW_DATA, "%s: no image of it can be read", path);
	return status;
}

thaw_status verify_onnx(struct verification *v, const struct thaw_model *m, const char *path, const char *samples)
{
	const struct thaw_shape image = thaw_shape_of(1, m->preprocess.size, m->preprocess.size, 3);
	struct both b = {.model = m};
	*v = (struct verification){0};
	thaw_status status;
	THAW_TRY_OUT(thaw_model_load_onnx(&b.written, path));
	THAW_TRY_OUT(thaw_plan_create(&b.original, m->graph, &image, THAW_WHOLE, false));
	THAW_TRY_OUT(thaw_plan_create(&b.exported, b.written->graph, &image, THAW_WHOLE, false));
	THAW_TRY_OUT(thaw_path_is_directory(samples) ? compare_dataset(v, &b, samples) : compare_file(v, &b, samples));
	if (!(v->difference <= TOLERANCE))
		status = thaw_fail(THAW_DATA, "%s: logits differ by %.2g of the largest: not the same network", path,
				   v->difference);
out:
	thaw_plan_destroy(b.original);
	thaw_plan_destroy(b.exported);
	thaw_model_destroy(b.written);
	return status;
}
