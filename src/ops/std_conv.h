/* Weight standardisation, shared by std_conv.c and by the pass that folds it. */
#ifndef THAW_SRC_OPS_STD_CONV_H
#define THAW_SRC_OPS_STD_CONV_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of scratch for standardising a weight of `channels` filters. */
size_t thaw_standardise_bytes(int64_t channels);

/* to[rows][channels] = (weight - mean) / sqrt(variance + epsilon), with the mean and biased variance of each channel.
 */
void thaw_standardise(float *to, const float *weight, int64_t rows, int64_t channels, float epsilon, void *scratch);

#endif
