#include "src/cli/verify_onnx.h"

#include <math.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/dataset.h"
#include "thaw/executor.h"
#include "thaw/file.h"

#define LARGEST_FILE ((size_t)1 << 30) /* bytes of an encoded image */
#define SAMPLES      64                /* images of a dataset */
#define TOLERANCE    1e-4

/* Both networks, prepared for one image at a time. The graphs are not lowered: that would fold batch norms in both and
 * hide the effect of --fold-bn on the file. */
struct both {
	const struct thaw_model *model;
	struct thaw_model *written; /* the exported file, imported again */
	struct thaw_executor *original, *exported;
};

static thaw_status compare(struct verification *v, struct both *b, const struct thaw_encoded_image *encoded)
{
	const size_t floats = thaw_size_floats(b->model->preprocess.size);
	float *x = thaw_executor_input(b->original);
	double largest = 0, difference = 0;
	THAW_TRY(thaw_transform_eval(encoded, &b->model->preprocess, x));
	memcpy(thaw_executor_input(b->exported), x, floats * sizeof(*x));
	const float *y = thaw_executor_forward(b->original, 1, NULL);
	const float *z = thaw_executor_forward(b->exported, 1, NULL);
	for (int64_t c = 0; c < thaw_model_outputs(b->model); c++) {
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
	struct thaw_encoded_image encoded;
	THAW_TRY(thaw_file_read(&bytes, &size, path, LARGEST_FILE));
	THAW_TRY(thaw_encoded_image_open(&encoded, bytes, size, path));
	thaw_status status = compare(v, b, &encoded);
	thaw_encoded_image_free(&encoded);
	return status;
}

static thaw_status compare_dataset(struct verification *v, struct both *b, const char *path)
{
	struct thaw_dataset data = {0};
	const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1}; /* the defaults of thaw train */
	THAW_TRY(thaw_dataset_open(&data, path, THAW_SPLIT_TEST, &options));
	const int64_t count = min_int64(data.count, SAMPLES);
	thaw_status status = THAW_OK;
	for (int64_t i = 0; i < count && status == THAW_OK; i++) {
		struct thaw_encoded_image encoded;
		status = data.read(&data, i * data.count / count, &encoded);
		if (status == THAW_OK) {
			status = compare(v, b, &encoded);
			thaw_encoded_image_free(&encoded);
		}
		status = status == THAW_DATA ? THAW_OK : status;
	}
	thaw_dataset_close(&data);
	if (status == THAW_OK && v->images == 0)
		return thaw_fail(THAW_DATA,
				 "no readable image: %s: give --verify an image or a dataset with intact test images",
				 path);
	return status;
}

thaw_status verify_onnx(struct verification *v, const struct thaw_model *m, const char *path, const char *samples)
{
	const struct thaw_shape image = thaw_shape_of(1, m->preprocess.size.height, m->preprocess.size.width, 3);
	struct both b = {.model = m};
	*v = (struct verification){0};
	thaw_status status;
	THAW_TRY_OUT(thaw_model_load_onnx(&b.written, path, NULL));
	THAW_TRY_OUT(thaw_executor_create(&b.original, m->graph, &image, THAW_WHOLE, false));
	THAW_TRY_OUT(thaw_executor_create(&b.exported, b.written->graph, &image, THAW_WHOLE, false));
	THAW_TRY_OUT(thaw_path_is_directory(samples) ? compare_dataset(v, &b, samples) : compare_file(v, &b, samples));
	if (!(v->difference <= TOLERANCE))
		status = thaw_fail(
			THAW_DATA,
			"logits differ from the original network's by %.2g of the largest: %s: do not use this file",
			v->difference, path);
out:
	thaw_executor_destroy(b.original);
	thaw_executor_destroy(b.exported);
	thaw_model_destroy(b.written);
	return status;
}
