/* Option rows for manifests, groups and folds, shared by the commands that read datasets. */
#ifndef THAW_SRC_CLI_DATA_OPTIONS_H
#define THAW_SRC_CLI_DATA_OPTIONS_H

#include "src/cli/option.h"
#include "thaw/dataset.h"

/* A row for `heading`; `at` is the offset of a struct thaw_manifest_options or of a struct thaw_parts_options. */
/* clang-format off */
#define MANIFEST_ROW(heading, at, flag, member, default_text)                                                          \
	.name = (flag), .type = OPTION_TEXT, .offset = (at) + offsetof(struct thaw_manifest_options, member),          \
	.section = (heading), .absent = (default_text)
#define MANIFEST_OPTIONS(heading, at)                                                                                  \
	{MANIFEST_ROW(heading, at, "manifest", file, "none"), .metavar = "FILE.csv",                                   \
	 .help = "list of images with their labels; D is the folder that its paths begin in, by "                      \
		 "default that of FILE"},                                                                              \
	{MANIFEST_ROW(heading, at, "path-column", path_column, "by customary names"), .metavar = "NAME",               \
	 .help = "column of the manifest with the paths of the images"},                                               \
	{MANIFEST_ROW(heading, at, "label-column", label_column, "by customary names"), .metavar = "NAME",             \
	 .list = true,                                                                                                 \
	 .help = "column with the labels; several, separated by commas, for columns of 0 and 1 or of numbers"},        \
	{MANIFEST_ROW(heading, at, "split-column", split_column, "by customary names"), .metavar = "NAME",             \
	 .help = "column with train, val or test; none: there is none"},                                               \
	{MANIFEST_ROW(heading, at, "group-column", group_column, "by customary names"), .metavar = "NAME",             \
	 .help = "column with groups, such as patients: no group is in two parts of a split that "                     \
		 "is made here; none: no groups"},                                                                     \
	{MANIFEST_ROW(heading, at, "weight-column", weight_column, "by customary names"), .metavar = "NAME",           \
	 .help = "column with factors of the loss; none: no weights"},                                                 \
	{MANIFEST_ROW(heading, at, "label-separator", label_separator, "| or ; where labels have them"),               \
	 .metavar = "C", .help = "character between the labels of an image"},                                          \
	{MANIFEST_ROW(heading, at, "task", task, "what the labels show"), .metavar = "TASK",                           \
	 .choices = "class|labels|grade|value",                                                                        \
	 .help = "what is learned: one class per image, any number of labels, ordered grades, or numbers"},            \
	{MANIFEST_ROW(heading, at, "grades", grades, "numbers, in their order"), .metavar = "A,B,...", .list = true,   \
	 .help = "the grades from the lowest to the highest"}
#define PARTS_ROW(heading, at, flag, member)                                                                           \
	.name = (flag), .offset = (at) + offsetof(struct thaw_parts_options, member), .section = (heading)
#define PARTS_OPTIONS(heading, at)                                                                                     \
	{PARTS_ROW(heading, at, "group-by", group_by), .metavar = "REGEX", .type = OPTION_TEXT, .absent = "none",      \
	 .help = "groups by the names of the images: what the first parentheses match, as in '^([^_]+)_'"},            \
	{PARTS_ROW(heading, at, "folds", folds), .metavar = "K", .type = OPTION_INT, .min = 0, .max = 1000,            \
	 .absent = "none",                                                                                             \
	 .help = "cross-validation: divide the training images into K parts, stratified by class"},                    \
	{PARTS_ROW(heading, at, "fold", fold), .metavar = "I", .type = OPTION_INT, .min = 0, .max = 1000,              \
	 .absent = "none", .help = "which of them to hold out, from 1 to K"}
/* clang-format on */

#endif
