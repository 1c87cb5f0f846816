#include "thaw/sizes.h"

#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "thaw/memory.h"
#include "thaw/random.h"

#define LANE_BITS      16 /* more than --lanes allows */
#define VIEW_BIT       ((uint64_t)1 << 63)
#define DEFAULT_GROWTH 2 /* times the network's own longer side: limit of native sides */

/* "A-B" or "A:B". */
static bool read_range(struct thaw_sizes *s, const char *text, char separator)
{
	char first[THAW_SIZE_TEXT];
	const char *at = strchr(text, separator);
	if (!at || at - text >= THAW_SIZE_TEXT)
		return false;
	snprintf(first, sizeof(first), "%.*s", (int)(at - text), text);
	if (!thaw_size_read(&s->from, first) || !thaw_size_read(&s->to, at + 1))
		return false;
	return s->from.height == s->from.width && s->to.height == s->to.width;
}

thaw_status thaw_sizes_read(struct thaw_sizes *s, const char *text)
{
	struct thaw_sizes read = {.mode = THAW_SIZES_FIXED};
	bool good = true;
	if (text && strcmp(text, "native") == 0) {
		read.mode = THAW_SIZES_NATIVE;
	} else if (text && strchr(text, '-')) {
		read.mode = THAW_SIZES_RANDOM;
		good = read_range(&read, text, '-') && read.from.height <= read.to.height;
	} else if (text && strchr(text, ':')) {
		read.mode = THAW_SIZES_GROWING;
		good = read_range(&read, text, ':');
	} else if (text) {
		good = thaw_size_read(&read.from, text);
		read.to = read.from;
	}
	if (!good)
		return thaw_fail(THAW_USAGE,
				 "not an input size: --size %.64s: give a side such as 224, HEIGHTxWIDTH such as "
				 "224x288, a range such as 160-288, 128:224 to grow, or native, up to %d",
				 text, THAW_MAX_SIDE);
	*s = read;
	return THAW_OK;
}

static struct thaw_shape image_of(int height, int width)
{
	return thaw_shape_of(1, height, width, 3);
}

static int stride_of(const struct thaw_model *m)
{
	const struct thaw_shape own = image_of(m->preprocess.size.height, m->preprocess.size.width);
	return thaw_graph_stride(m->graph, &own);
}

struct thaw_size thaw_sizes_evaluation(const struct thaw_sizes *s, const struct thaw_model *m)
{
	if (s->mode != THAW_SIZES_RANDOM)
		return s->to;
	int stride = stride_of(m), middle = (s->from.height + s->to.height) / 2;
	int multiple = (middle + stride / 2) / stride * stride;
	return thaw_square(multiple > 0 ? multiple : middle);
}

/* THAW_CONFIG, with what to do, if the network does not take this size. */
static thaw_status check_size(const struct thaw_model *m, struct thaw_size size)
{
	char own[THAW_SIZE_TEXT];
	struct thaw_shape image = image_of(size.height, size.width);
	thaw_status status = thaw_graph_check_size(m->graph, &image);
	if (status != THAW_CONFIG)
		return status;
	char *reason = thaw_strdup(thaw_error_message());
	status = thaw_fail(THAW_CONFIG,
			   "%s does not take images of %d x %d beside its own size: --size: give one size, such as %s "
			   "(%s)",
			   m->variant, size.height, size.width, thaw_size_text(m->preprocess.size, own, sizeof(own)),
			   reason ? reason : "");
	thaw_free(reason);
	return status;
}

thaw_status thaw_native_limits(struct thaw_native *native, const struct thaw_model *m, int largest)
{
	struct thaw_native n = {.stride = stride_of(m)};
	int limit = largest > 0 ? largest : DEFAULT_GROWTH * thaw_size_longer(m->preprocess.size);
	n.largest = min_int(limit, THAW_MAX_SIDE) / n.stride * n.stride;
	for (n.smallest = n.stride; n.smallest < n.largest; n.smallest += n.stride) {
		struct thaw_shape image = image_of(n.smallest, n.smallest);
		if (thaw_graph_check_size(m->graph, &image) == THAW_OK)
			break;
	}
	if (n.largest < n.stride)
		return thaw_fail(THAW_USAGE, "below %d, the stride of %s: --max-size %d: give a larger one", n.stride,
				 m->variant, largest);
	THAW_TRY(check_size(m, thaw_square(n.smallest)));
	THAW_TRY(check_size(m, thaw_square(n.largest)));
	THAW_TRY(check_size(m, (struct thaw_size){n.smallest, n.largest}));
	*native = n;
	return THAW_OK;
}

thaw_status thaw_size_freedom(enum thaw_size_freedom *freedom, struct thaw_native *limits, const struct thaw_model *m)
{
	thaw_status status = thaw_native_limits(limits, m, 0);
	*freedom = THAW_SIZE_ANY;
	if (status != THAW_CONFIG && status != THAW_USAGE)
		return status;
	const struct thaw_size own = m->preprocess.size;
	const struct thaw_shape from = image_of(own.height, own.width), to = image_of(2 * own.height, 2 * own.width);
	struct thaw_graph *copy = thaw_graph_copy(m->graph); /* its own parameters stay as they are */
	if (!copy)
		return THAW_RESOURCE;
	*freedom = thaw_graph_resize(copy, &from, &to) == THAW_OK ? THAW_SIZE_ONE : THAW_SIZE_FIXED;
	thaw_graph_destroy(copy);
	return THAW_OK;
}

/* The sides of the range that are multiples of the stride. */
static thaw_status fit_range(struct thaw_sizes *s, const struct thaw_model *m)
{
	int stride = s->stride;
	int first = (s->from.height + stride - 1) / stride * stride, last = s->to.height / stride * stride;
	if (first > last)
		return thaw_fail(THAW_USAGE,
				 "no multiple of %d, the stride of %s, in the range: --size %d-%d: give a wider one",
				 stride, m->variant, s->from.height, s->to.height);
	s->from = thaw_square(first);
	s->to = thaw_square(last);
	for (int side = first; side <= last; side += stride)
		THAW_TRY(check_size(m, thaw_square(side)));
	return THAW_OK;
}

thaw_status thaw_sizes_fit(struct thaw_sizes *s, const struct thaw_model *m, int largest)
{
	s->stride = stride_of(m);
	if (s->from.height == 0)
		s->from = s->to = m->preprocess.size;
	if (s->mode == THAW_SIZES_RANDOM)
		return fit_range(s, m);
	if (s->mode == THAW_SIZES_NATIVE) {
		THAW_TRY(thaw_native_limits(&s->native, m, largest));
		s->from = thaw_square(s->native.smallest);
		s->to = thaw_square(s->native.largest);
		return THAW_OK;
	}
	int low = min_int(s->from.height, s->to.height), high = max_int(s->from.height, s->to.height);
	for (int side = low; s->mode == THAW_SIZES_GROWING && side < high; side += s->stride)
		THAW_TRY(check_size(m, thaw_square(side)));
	return check_size(m, s->to);
}

static struct thaw_size draw(const struct thaw_sizes *s, const struct thaw_step_place *p)
{
	uint64_t lane = (uint64_t)p->lane, epoch = (uint64_t)(p->view < 0 ? p->epoch : p->view);
	uint64_t index = p->view < 0 ? (uint64_t)p->step << LANE_BITS | lane : VIEW_BIT | lane;
	struct thaw_random random = thaw_random_stream(p->seed, THAW_STREAM_SIZE, epoch, index);
	int choices = (s->to.height - s->from.height) / s->stride + 1;
	return thaw_square(s->from.height + s->stride * (int)thaw_random_below(&random, (uint32_t)choices));
}

/* Linear from the first epoch to the last, in whole strides; the last epoch has exactly the last size. */
static struct thaw_size grow(const struct thaw_sizes *s, const struct thaw_step_place *p)
{
	if (p->epoch >= p->epochs - 1)
		return s->to;
	int64_t range = s->to.height - s->from.height, strides = range * p->epoch / (p->epochs - 1) / s->stride;
	return thaw_square(s->from.height + (int)strides * s->stride);
}

struct thaw_size thaw_sizes_at(const struct thaw_sizes *s, const struct thaw_step_place *p)
{
	switch (s->mode) {
	case THAW_SIZES_RANDOM:
		return draw(s, p);
	case THAW_SIZES_GROWING:
		return grow(s, p);
	default:
		return s->to;
	}
}

json_t *thaw_sizes_json(const struct thaw_sizes *s)
{
	const struct thaw_native *n = &s->native;
	switch (s->mode) {
	case THAW_SIZES_RANDOM:
		return json_sprintf("%d-%d", s->from.height, s->to.height);
	case THAW_SIZES_GROWING:
		return json_sprintf("%d:%d", s->from.height, s->to.height);
	case THAW_SIZES_NATIVE:
		return json_sprintf("native, %d to %d in steps of %d", n->smallest, n->largest, n->stride);
	default:
		return thaw_metadata_size(s->to);
	}
}

const char *thaw_sizes_line(const struct thaw_sizes *s, char *text, size_t size)
{
	const char *set = "multiples of";
	if (s->mode == THAW_SIZES_FIXED)
		return NULL;
	if (s->mode == THAW_SIZES_RANDOM)
		snprintf(text, size, "input size: one per step and lane, drawn from %d to %d, %s %d", s->from.height,
			 s->to.height, set, s->stride);
	else if (s->mode == THAW_SIZES_GROWING)
		snprintf(text, size, "input size: from %d in the first epoch to %d in the last, in steps of %d",
			 s->from.height, s->to.height, s->stride);
	else
		snprintf(text, size, "input size: that of each image, sides of %d to %d, %s %d", s->native.smallest,
			 s->native.largest, set, s->stride);
	return text;
}
