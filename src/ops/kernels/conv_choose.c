/* Chooses the kernel of a convolution: the first that fits. A new kernel needs one file and one line here. */
#include "src/ops/kernels/conv.h"

/* In order of preference; the last one always fits. */
static const struct thaw_conv_kernel *const kernels[] = {
	&thaw_conv_depthwise, &thaw_conv_rows_bf16, &thaw_conv_stem, &thaw_conv_winograd_bf16,
	&thaw_conv_bf16,      &thaw_conv_winograd,  &thaw_conv_gemm,
};

const struct thaw_conv_kernel *thaw_conv_choose(const struct thaw_conv *c, enum thaw_conv_pass pass)
{
	bool dilated = c->gap_y > 0 || c->gap_x > 0;
	int i = 0;
	while ((dilated && !kernels[i]->dilates) || !kernels[i]->fits(c, pass))
		i++;
	return kernels[i];
}
