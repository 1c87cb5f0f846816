/* Names of folders that say which split of a dataset they hold. Internal to src/data. */
#ifndef THAW_SRC_DATA_SPLIT_NAMES_H
#define THAW_SRC_DATA_SPLIT_NAMES_H

#include <stdbool.h>

#include "src/data/names.h"

#define SPLIT_REST 256 /* bytes: a file name has fewer */

/* How the splits among some folders are named: "train" and "val", or with the same further words, such as
 * "flowers_train" and "flowers_val". */
struct split_names {
	bool further;          /* with further words */
	char rest[SPLIT_REST]; /* these words, in lower case, each followed by a space */
};

/* The split that a word names, an enum thaw_split, in any case; -1: none. */
int thaw_split_of_word(const char *word);

/* Finds out how the folders of one level are named. Only base names are looked at. */
void thaw_split_names_find(struct split_names *s, const struct names *folders);

/* The split that a folder is by its base name, an enum thaw_split; -1: none. Case is ignored. */
int thaw_split_by_name(const struct split_names *s, const char *folder);

/* Whether the base name has a word that names a split: only then can it be one. */
bool thaw_has_split_word(const char *folder);

#endif
