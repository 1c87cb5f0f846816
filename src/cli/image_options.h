/* Option rows for preprocessing, shared by the commands that read images. */
#ifndef THAW_SRC_CLI_IMAGE_OPTIONS_H
#define THAW_SRC_CLI_IMAGE_OPTIONS_H

#include "src/cli/option.h"
#include "thaw/transform.h"

/* THAW_USAGE if a value is invalid: before anything is loaded. `place` is not needed: the messages name the flag. */
thaw_status check_mean(const char *text, const char *place);
thaw_status check_std(const char *text, const char *place);
thaw_status check_crop(const char *text, const char *place);
thaw_status check_size(const char *text, const char *place);        /* a side or HxW */
thaw_status check_native_size(const char *text, const char *place); /* or native */
thaw_status check_sizes(const char *text, const char *place);       /* or a range, growing sizes */

/* The size that a checked text names; 0: NULL or native. */
struct thaw_size size_of(const char *text);
bool is_native(const char *text); /* NULL is fine */

/* A row for `heading`; `at` is the offset of a struct thaw_preprocess_override. */
/* clang-format off */
#define IMAGE_OPTION(heading, at, member)                                                                              \
	.name = #member, .type = OPTION_TEXT, .offset = (at) + offsetof(struct thaw_preprocess_override, member),      \
	.section = (heading), .absent = "from the network"
#define PREPROCESS_OPTIONS(heading, at)                                                                                \
	{IMAGE_OPTION(heading, at, mean), .metavar = "R,G,B", .list = true, .check = check_mean,                                     \
	 .help = "mean of the channels, for pixels from 0 to 1, that is subtracted; or one number for all channels"},  \
	{IMAGE_OPTION(heading, at, std), .metavar = "R,G,B", .list = true, .check = check_std,                                       \
	 .help = "standard deviation of the channels, which the difference is divided by"},                            \
	{IMAGE_OPTION(heading, at, crop), .metavar = "X", .check = check_crop,                                         \
	 .help = "fraction of the resized shorter side that the centre crop keeps, such as 0.875; none: 1; squash: "   \
		 "both sides are resized to the input size"},                                                          \
	{IMAGE_OPTION(heading, at, interpolation), .metavar = "NAME",                                                  \
	 .choices = "nearest|bilinear|bicubic|lanczos|box|hamming", .help = "how images are resized"}
/* clang-format on */

#endif
