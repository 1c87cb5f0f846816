/* The axis orders of layouts. */
#include "src/onnx/export/exporter.h"

void thaw_onnx_layout_order(enum thaw_onnx_layout layout, int ndim, int *order)
{
	for (int i = 0; i < ndim; i++)
		order[i] = i;
	for (int i = 1; i < ndim && layout == THAW_ONNX_CHANNELS_FIRST; i++)
		order[i] = i == 1 ? ndim - 1 : i - 1;
}

int thaw_onnx_layout_axis(enum thaw_onnx_layout layout, int ndim, int axis)
{
	if (layout == THAW_ONNX_CHANNELS_LAST || axis == 0)
		return axis;
	return axis == ndim - 1 ? 1 : axis + 1;
}
