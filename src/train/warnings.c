#include "src/train/warnings.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"

#define LINE_BYTES     1024
#define SAMPLES        5   /* images whose size is read */
#define SMALL_INPUT    96  /* pixels: details of photographs are lost below */
#define SMALL_RATIO    4   /* image side / input side from which this is said */
#define LARGE_RATIO    8   /* the same for inputs of at least SMALL_INPUT */
#define LARGE_LOSS     2.0 /* times the loss of equal probabilities */
#define NOTICED_GROWTH 1.1 /* last / first training loss */

static void __attribute__((format(printf, 3, 4)))
log_line(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const char *format, ...)
{
	char line[LINE_BYTES];
	va_list arguments;
	if (comm->rank != 0 || !callbacks || !callbacks->log)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	callbacks->log(callbacks->context, line);
}

void thaw_warn_random(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
		      const struct thaw_model *model, const char *consequence)
{
	if (strcmp(model->source, "random") == 0)
		log_line(comm, callbacks, "warning: random weights: --model %s: %s", model->variant, consequence);
}

/* The median of the shorter sides of a few images, in pixels; 0: none can be read. */
static int typical_side(const struct thaw_dataset *d)
{
	int sides[SAMPLES], count = 0;
	for (int i = 0; i < SAMPLES && i < d->count; i++) {
		struct thaw_encoded_image image = {0};
		if (d->read(d, d->count * i / SAMPLES, &image) != THAW_OK)
			continue;
		int side = min_int(image.width, image.height), at = count++;
		thaw_encoded_image_free(&image);
		for (; at > 0 && sides[at - 1] > side; at--)
			sides[at] = sides[at - 1];
		sides[at] = side;
	}
	return count ? sides[count / 2] : 0;
}

void thaw_warn_small_input(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks,
			   const struct thaw_model *model, const struct thaw_dataset *dataset)
{
	int size = thaw_size_shorter(model->preprocess.size), side;
	if (comm->rank != 0 || !callbacks || !callbacks->log || model->preprocess.native.stride > 0)
		return;
	side = typical_side(dataset);
	if (strcmp(model->source, "builtin") == 0 && side >= SMALL_RATIO * size)
		log_line(comm, callbacks,
			 "warning: images of about %d pixels for the bundled network, which learned from 32 x 32 "
			 "pixels and sees %d x %d: --model: give a network for photographs, such as resnet18:FILE",
			 side, size, size);
	else if (size < SMALL_INPUT && side >= SMALL_RATIO * size)
		log_line(comm, callbacks,
			 "warning: images of about %d pixels for a network that sees %d x %d: --model %s: give --size, "
			 "or a network for photographs",
			 side, size, size, model->variant);
	else if (side >= LARGE_RATIO * size)
		log_line(comm, callbacks, "note: images of about %d pixels are resized to %d x %d: --size changes this",
			 side, size, size);
}

static bool __attribute__((format(printf, 2, 3))) add(json_t *list, const char *format, ...)
{
	char text[LINE_BYTES];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return json_array_append_new(list, json_string(text)) == 0;
}

thaw_status thaw_warn_result(json_t *summary, int classes, double first_loss, double last_loss)
{
	double top1 = json_number_value(json_object_get(summary, "top1"));
	double loss = json_number_value(json_object_get(summary, "loss")), even = log((double)classes);
	const char *split = json_string_value(json_object_get(summary, "split"));
	json_t *list = json_array();
	bool good = list != NULL;
	if (good && classes > 1 && top1 <= 1.0 / classes)
		good = add(list,
			   "the accuracy, %.2f %%, is not better than chance, %.2f %%: check the data, or give another "
			   "--lr",
			   100.0 * top1, 100.0 / classes);
	if (good && loss > LARGE_LOSS * even && classes > 1)
		good = add(
			list,
			"the loss of the %s images, %.4g, is larger than %.2f, the loss of equal probabilities for all "
			"classes: lower --lr",
			split ? split : "test", loss, even);
	if (good && first_loss > 0.0 && last_loss > NOTICED_GROWTH * first_loss)
		good = add(list, "the training loss grew from %.4g to %.4g: lower --lr", first_loss, last_loss);
	if (good && json_array_size(list) > 0)
		good = json_object_set(summary, "warnings", list) == 0;
	json_decref(list);
	return good ? THAW_OK : thaw_fail(THAW_RESOURCE, "out of memory for warnings");
}
