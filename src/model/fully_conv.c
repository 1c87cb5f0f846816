/* Networks whose fully connected layers run as convolutions. The weights in files stay those of the linear layers, so
 * that other programs read them; the metadata say that the network is to be converted when it is loaded, and the input
 * size that decides the kernels. */
#include <stdlib.h>

#include "src/base/try.h"
#include "src/model/model_internal.h"

#define NOTE "its fully connected layers run as convolutions"

thaw_status thaw_model_fully_conv_at(struct thaw_model *m, int size)
{
	const struct thaw_shape image = thaw_shape_of(1, size, size, 3);
	bool changed = false;
	if (m->fully_conv)
		return THAW_OK;
	THAW_TRY(thaw_graph_fully_conv(m->graph, &image, &changed));
	m->fully_conv = changed ? size : 0;
	return THAW_OK;
}

thaw_status thaw_model_make_fully_conv(struct thaw_model *m)
{
	bool before = m->fully_conv > 0;
	const struct thaw_size size = m->preprocess.size;
	if (size.height != size.width)
		return thaw_fail(THAW_CONFIG,
				 "the network's own images are not square: %d x %d: --fully-conv needs a square size",
				 size.height, size.width);
	THAW_TRY(thaw_model_fully_conv_at(m, size.height));
	if (before || !m->fully_conv)
		return thaw_model_add_note(m, "it is fully convolutional already");
	return thaw_model_add_note(m, NOTE);
}

thaw_status thaw_model_read_fully_conv(struct thaw_model *m, const char *recorded, const char *path)
{
	char *end = NULL;
	if (!recorded)
		return THAW_OK;
	long size = strtol(recorded, &end, 10);
	if (*end != '\0' || size < 1 || size > THAW_MAX_SIDE)
		return thaw_fail(THAW_DATA, "invalid metadata " THAW_FULLY_CONV_KEY ": %s: it must be an input size",
				 path);
	thaw_status status = thaw_model_fully_conv_at(m, (int)size);
	if (status == THAW_OK && m->fully_conv)
		status = thaw_model_add_note(m, NOTE);
	return status == THAW_CONFIG ? thaw_fail_in(status, "%s", path) : status;
}
