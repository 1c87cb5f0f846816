/* Networks whose fully connected layers run as convolutions. The weights in files stay those of the linear layers, so
 * that other programs read them; the metadata say that the network is to be converted when it is loaded, and the input
 * size that decides the kernels. */
#include <stdio.h>

#include "src/base/try.h"
#include "src/model/model_internal.h"
#include "thaw/memory.h"

#define NOTE "its fully connected layers run as convolutions"

static thaw_status convert(struct thaw_model *m, int height, int width)
{
	bool changed = false;
	THAW_TRY(thaw_graph_fully_conv(m->graph, &thaw_shape_of(1, height, width, 3), &changed));
	if (!changed)
		return thaw_model_add_note(m, "it is fully convolutional already");
	m->fully_conv[0] = height;
	m->fully_conv[1] = width;
	return thaw_model_add_note(m, NOTE);
}

thaw_status thaw_model_make_fully_conv(struct thaw_model *m)
{
	return m->fully_conv[0] ? THAW_OK : convert(m, m->preprocess.size, m->preprocess.size);
}

char *thaw_model_write_fully_conv(const struct thaw_model *m)
{
	return thaw_format("%dx%d", m->fully_conv[0], m->fully_conv[1]);
}

thaw_status thaw_model_read_fully_conv(struct thaw_model *m, const char *recorded, const char *path)
{
	int height = 0, width = 0, end = 0;
	if (!recorded || m->fully_conv[0])
		return THAW_OK;
	bool good = sscanf(recorded, "%6dx%6d%n", &height, &width, &end) == 2 && recorded[end] == '\0';
	if (!good || height < 1 || width < 1 || height > THAW_MAX_SIDE || width > THAW_MAX_SIDE)
		return thaw_fail(THAW_DATA, "invalid metadata " THAW_FULLY_CONV_KEY ": %s: it must be an input size",
				 path);
	thaw_status status = convert(m, height, width);
	return status == THAW_CONFIG ? thaw_fail_in(status, "%s", path) : status;
}
