/* Option rows that several commands share. */
#ifndef THAW_SRC_CLI_COMMON_OPTIONS_H
#define THAW_SRC_CLI_COMMON_OPTIONS_H

#include "src/cli/image_options.h"
#include "src/cli/option.h"
#include "thaw/transform.h"

#define MAX_LANES   65536
#define MAX_THREADS 1024
#define BELOW_ONE   0.999999 /* upper limit of fractions that must be less than 1, also after rounding to float */

#define DEFAULT_LANES_TEXT "8, or the rank count if larger"

/* Rows for `heading`; `at` is the offset of the value. `note` is appended to the help text. */
/* clang-format off */
#define SIZE_OPTION(heading, at)                                                                                       \
	{.name = "size", .metavar = "S", .type = OPTION_TEXT, .offset = (at), .section = (heading),                    \
	 .check = check_size, .absent = "from the network",                                                            \
	 .help = "size of the input images in pixels: a side, or HEIGHTxWIDTH such as 224x288"}
#define NATIVE_SIZE_OPTION(heading, at)                                                                                \
	{.name = "size", .metavar = "S", .type = OPTION_TEXT, .offset = (at), .section = (heading),                    \
	 .check = check_native_size, .absent = "from the network",                                                     \
	 .help = "size of the input images in pixels: a side, HEIGHTxWIDTH such as 224x288, or native: each image's own"}
#define FULLY_CONV_OPTION(heading, at)                                                                                 \
	{.name = "fully-conv", .type = OPTION_FLAG, .offset = (at), .section = (heading),                              \
	 .help = "run fully connected layers, such as VGG's, as convolutions: images larger than the network's own "    \
		 "size then give a grid of predictions, of which the mean counts"}
#define WEIGHTS_KEY_OPTION(heading, at)                                                                                \
	{.name = "weights-key", .metavar = "KEY", .type = OPTION_TEXT, .offset = (at), .section = (heading),           \
	 .absent = "weights that are not a moving average",                                                            \
	 .help = "which weights to take from a file that has several, such as model_ema"}
#define TUNE_OPTION(heading, at)                                                                                       \
	{.name = "tune", .metavar = "HOW", .type = OPTION_TEXT, .offset = (at), .section = (heading),                  \
	 .help = "what to train of the unfrozen part, besides the classifier: all, norm (scale and shift of norms), bias " \
		 "(biases and the shift of norms), or lora:R[:ALPHA] (adapters of rank R on its linear layers, scaled by " \
		 "ALPHA (8) / R); with mpirun write --tune=HOW, since mpirun has a flag of this name"}
#define RECOMPUTE_OPTION(heading, at)                                                                                  \
	{.name = "recompute", .metavar = "HOW", .type = OPTION_TEXT, .offset = (at), .section = (heading),             \
	 .help = "blocks of the trained part whose values are not kept but computed again in the backward pass: off, auto " \
		 "(so many that values between layers take at most half of the free memory), or bytes per rank that these " \
		 "may take, such as 4G; the result is the same"}
#define PRECISION_OPTION(heading, at, fallback)                                                                        \
	{.name = "precision", .metavar = "TYPE", .type = OPTION_TEXT, .offset = (at), .section = (heading),            \
	 .choices = "fp32|bf16", .absent = (fallback),                                                                 \
	 .help = "precision of the network; bf16 rounds factors of products, and values between layers, to bfloat16"}
#define FROM_OPTION(heading, at)                                                                                       \
	{.name = "from", .metavar = "WHICH", .type = OPTION_TEXT, .offset = (at), .section = (heading),                \
	 .absent = "the trained network",                                                                              \
	 .help = "checkpoint of a run directory, done or not: best, last or step-N"}
#define TEST_SHARE_OPTION(heading, at, note)                                                                           \
	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, .offset = (at), .section = (heading), .min = 0,    \
	 .max = BELOW_ONE,                                                                                             \
	 .help = "fraction of each class held out for testing if D has no test images" note}
#define PER_CLASS_OPTION(heading, at, fallback, text)                                                                  \
	{.name = "per-class", .metavar = "N", .type = OPTION_LONG, .offset = (at), .section = (heading), .min = 0,     \
	 .max = INFINITY, .absent = (fallback), .help = (text)}
#define LANES_OPTION(heading, at, fallback, text)                                                                      \
	{.name = "lanes", .metavar = "L", .type = OPTION_INT, .offset = (at), .section = (heading), .min = 0,          \
	 .max = MAX_LANES, .absent = (fallback), .help = (text)}
#define SEED_OPTION(heading, at, text)                                                                                 \
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, .offset = (at), .section = (heading), .min = 0,          \
	 .max = INFINITY, .help = (text)}
#define STAGE_OPTION(heading, at)                                                                                      \
	{.name = "stage", .metavar = "DIR", .type = OPTION_TEXT, .offset = (at), .section = (heading),                 \
	 .absent = "none",                                                                                             \
	 .help = "copy the tar shards that a node needs to DIR, a disk of the node, and read them there; later "       \
		 "starts use the copies"}
#define STAGE_LIMIT_OPTION(heading, at)                                                                                \
	{.name = "stage-limit", .metavar = "BYTES", .type = OPTION_TEXT, .offset = (at), .section = (heading),         \
	 .absent = "nine tenths of the free space",                                                                    \
	 .help = "space on each node for these copies, such as 200G; other shards are read from where they are"}
#define EXCLUDE_OPTION(heading, at, note)                                                                              \
	{.name = "exclude", .metavar = "FILE", .type = OPTION_TEXT, .offset = (at), .section = (heading),              \
	 .absent = "none", .help = "leave out the images in this list, which thaw check --out writes" note}
#define DECODE_THREADS_OPTION(heading, at)                                                                             \
	{.name = "decode-threads", .metavar = "N", .type = OPTION_INT, .offset = (at), .section = (heading), .min = 1, \
	 .max = MAX_THREADS, .help = "threads per rank that read and decode images"}

/* The end of every table. */
#define COMMON_SECTION "Common"
#define COMMON_OPTIONS                                                                                                 \
	{.name = "threads", .metavar = "N", .type = OPTION_INT, .offset = offsetof(struct common, threads),            \
	 .section = COMMON_SECTION, .min = 1, .max = MAX_THREADS,                                                      \
	 .help = "BLAS threads per rank; use 1 with one rank per core; a resumed run needs the same number"},          \
	{.name = "timeout", .metavar = "SECONDS", .type = OPTION_REAL, .offset = offsetof(struct common, timeout),             \
	 .section = COMMON_SECTION, .min = 0, .max = INFINITY, .absent = "60, or 20 steps if that is longer",          \
	 .help = "end the job when another rank shows no sign of life for that long; 0: no limit"},               \
	{.name = "config", .metavar = "FILE", .type = OPTION_TEXT, .offset = offsetof(struct common, config),          \
	 .section = COMMON_SECTION, .absent = "none", .help = "YAML file of flag names and values"},                   \
	{.name = "json", .type = OPTION_FLAG, .offset = offsetof(struct common, json), .section = COMMON_SECTION,      \
	 .help = "print the result as one JSON object"},                                                               \
	{.name = "help", .type = OPTION_FLAG, .offset = offsetof(struct common, help), .section = COMMON_SECTION,      \
	 .help = "print this text"},                                                                                   \
	{.name = NULL}
/* clang-format on */

#endif
