/* Customary names of splits. A name may have further words, as in train2017, Training_data or flowers_test, if there
 * are training images and others with the same further words: a class may be called "test tube". */
#include "src/data/split_names.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "thaw/dataset.h"

int thaw_split_of_word(const char *word)
{
	static const struct {
		const char *word;
		enum thaw_split split;
	} words[] = {
		{"train", THAW_SPLIT_TRAIN},
		{"training", THAW_SPLIT_TRAIN},
		{"train_set", THAW_SPLIT_TRAIN},
		{"test", THAW_SPLIT_TEST},
		{"trainset", THAW_SPLIT_TRAIN},
		{"training_set", THAW_SPLIT_TRAIN},
		{"testing", THAW_SPLIT_TEST},
		{"testset", THAW_SPLIT_TEST},
		{"test_set", THAW_SPLIT_TEST},
		{"testing_set", THAW_SPLIT_TEST},
		{"val", THAW_SPLIT_VAL},
		{"valid", THAW_SPLIT_VAL},
		{"validation", THAW_SPLIT_VAL},
		{"validate", THAW_SPLIT_VAL},
		{"dev", THAW_SPLIT_VAL},
		{"eval", THAW_SPLIT_VAL},
		{"trn", THAW_SPLIT_TRAIN},
		{"tst", THAW_SPLIT_TEST},
		{"holdout", THAW_SPLIT_TEST},
		{"evaluation", THAW_SPLIT_VAL},
		{"val_set", THAW_SPLIT_VAL},
		{"valset", THAW_SPLIT_VAL},
		{"validation_set", THAW_SPLIT_VAL},
	};
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(word, words[i].word) == 0)
			return (int)words[i].split;
	return -1;
}

/* ASCII letters, and bytes of other letters in UTF-8 or Latin-1. */
static bool is_letter(char c)
{
	return isalpha((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Bytes of the word at the start of `text`; a capital after a small letter begins the next one. */
static size_t word_length(const char *text)
{
	size_t n = 0;
	while (is_letter(text[n]) && !(n > 0 && islower((unsigned char)text[n - 1]) && isupper((unsigned char)text[n])))
		n++;
	return n;
}

/* The split named by the only such word of a name, or -1. rest: receives the other words. */
static int split_among_words(const char *name, char rest[SPLIT_REST])
{
	int found = -1;
	size_t used = 0;
	rest[0] = '\0';
	for (size_t n; *name; name += n > 0 ? n : 1) {
		char word[SPLIT_REST] = "";
		n = word_length(name);
		if (n == 0)
			continue;
		if (used + n + 2 > SPLIT_REST)
			return -1;
		for (size_t i = 0; i < n; i++)
			word[i] = (char)tolower((unsigned char)name[i]);
		int split = thaw_split_of_word(word);
		if (split >= 0 && found >= 0)
			return -1;
		if (split >= 0) {
			found = split;
			continue;
		}
		word[n] = ' ';
		memcpy(rest + used, word, n + 2);
		used += n + 1;
	}
	return found;
}

/* Whether the folders contain one of the given kind with the further words. */
static bool have_held_out(const struct names *folders, const char *rest)
{
	char other[SPLIT_REST];
	for (int64_t i = 0; i < folders->count; i++) {
		int split = split_among_words(thaw_base_name(folders->name[i]), other);
		if ((split == THAW_SPLIT_VAL || split == THAW_SPLIT_TEST) && strcmp(other, rest) == 0)
			return true;
	}
	return false;
}

void thaw_split_names_find(struct split_names *s, const struct names *folders)
{
	*s = (struct split_names){0};
	for (int64_t i = 0; i < folders->count; i++)
		if (thaw_split_of_word(thaw_base_name(folders->name[i])) >= 0)
			return;
	for (int64_t i = 0; i < folders->count && !s->further; i++)
		s->further = split_among_words(thaw_base_name(folders->name[i]), s->rest) == THAW_SPLIT_TRAIN &&
			     have_held_out(folders, s->rest);
}

int thaw_split_by_name(const struct split_names *s, const char *folder)
{
	char rest[SPLIT_REST];
	const char *name = thaw_base_name(folder);
	if (!s->further)
		return thaw_split_of_word(name);
	int split = split_among_words(name, rest);
	return split >= 0 && strcmp(rest, s->rest) == 0 ? split : -1;
}

bool thaw_has_split_word(const char *folder)
{
	char rest[SPLIT_REST];
	const char *name = thaw_base_name(folder);
	return thaw_split_of_word(name) >= 0 || split_among_words(name, rest) >= 0;
}
