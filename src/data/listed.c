/* A message is a list of words, each ended by a NUL; numbers are decimal. */
#include "src/data/listed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define NUMBER_SIZE 24 /* characters */

struct words {
	const char *at, *end;
};

thaw_status thaw_listed_create(struct listed *l, int64_t room, const char *root, const struct names *classes)
{
	*l = (struct listed){.images = {.root = root, .classes = classes, .found = thaw_found_create()}};
	l->count = thaw_alloc((size_t)room, sizeof(*l->count));
	return l->images.found && l->count ? THAW_OK : THAW_RESOURCE;
}

void thaw_listed_free(struct listed *l)
{
	thaw_found_destroy(l->images.found);
	l->images.found = NULL;
	thaw_class_images_free(&l->images);
	thaw_free(l->count);
	l->count = NULL;
}

static thaw_status write_number(struct packed_names *message, int64_t n)
{
	char text[NUMBER_SIZE];
	snprintf(text, sizeof(text), "%lld", (long long)n);
	return thaw_packed_names_add(message, text);
}

static thaw_status write_found(const struct thaw_found *found, struct packed_names *message)
{
	THAW_TRY(write_number(message, found->skipped_count));
	for (int i = 0; i < found->skipped_count; i++) {
		THAW_TRY(thaw_packed_names_add(message, found->skipped[i].what));
		THAW_TRY(write_number(message, found->skipped[i].count));
		THAW_TRY(thaw_packed_names_add(message, found->skipped[i].example));
	}
	THAW_TRY(write_number(message, found->note_count));
	for (int i = 0; i < found->note_count; i++)
		THAW_TRY(thaw_packed_names_add(message, found->notes[i]));
	return THAW_OK;
}

thaw_status thaw_listed_write(const struct listed *l, struct packed_names *message)
{
	const struct class_images *images = &l->images;
	THAW_TRY(write_number(message, l->classes));
	for (int64_t c = 0; c < l->classes; c++)
		THAW_TRY(write_number(message, l->count[c]));
	THAW_TRY(write_number(message, images->files.count));
	for (int64_t i = 0; i < images->files.count; i++)
		THAW_TRY(thaw_packed_names_add(message, thaw_packed_name(&images->files, i)));
	THAW_TRY(write_number(message, l->linked));
	THAW_TRY(write_number(message, images->nested));
	THAW_TRY(thaw_packed_names_add(message, images->first_nested ? images->first_nested : ""));
	return write_found(images->found, message);
}

/* The next word; NULL at the end. */
static const char *read_word(struct words *w)
{
	const char *word = w->at, *end = w->at < w->end ? memchr(w->at, '\0', (size_t)(w->end - w->at)) : NULL;
	if (!end)
		return NULL;
	w->at = end + 1;
	return word;
}

static thaw_status fail_damaged(void)
{
	return thaw_fail(THAW_SOFTWARE, "a list of images from another rank is damaged");
}

static thaw_status read_number(struct words *w, int64_t *n)
{
	const char *word = read_word(w);
	*n = word ? strtoll(word, NULL, 10) : 0;
	return word ? THAW_OK : fail_damaged();
}

static thaw_status read_found(struct thaw_found *found, struct words *w)
{
	int64_t count, times;
	THAW_TRY(read_number(w, &count));
	for (int64_t i = 0; i < count; i++) {
		const char *what = read_word(w);
		THAW_TRY(read_number(w, &times));
		const char *example = read_word(w);
		if (!what || !example)
			return fail_damaged();
		THAW_TRY(thaw_found_skip_many(found, what, times, example));
	}
	THAW_TRY(read_number(w, &count));
	for (int64_t i = 0; i < count; i++) {
		const char *note = read_word(w);
		if (!note)
			return fail_damaged();
		THAW_TRY(thaw_found_note(found, thaw_strdup(note)));
	}
	return THAW_OK;
}

static thaw_status read_counts(struct listed *l, int64_t room, struct words *w)
{
	int64_t classes;
	THAW_TRY(read_number(w, &classes));
	if (classes < 0 || classes > room - l->classes)
		return fail_damaged();
	for (int64_t c = 0; c < classes; c++)
		THAW_TRY(read_number(w, &l->count[l->classes++]));
	return THAW_OK;
}

thaw_status thaw_listed_read(struct listed *l, int64_t room, const char *text, size_t bytes)
{
	struct words w = {text, text + bytes};
	struct class_images *images = &l->images;
	int64_t count, linked, nested;
	THAW_TRY(read_counts(l, room, &w));
	THAW_TRY(read_number(&w, &count));
	for (int64_t i = 0; i < count; i++) {
		const char *name = read_word(&w);
		if (!name)
			return fail_damaged();
		THAW_TRY(thaw_packed_names_add(&images->files, name));
	}
	THAW_TRY(read_number(&w, &linked));
	THAW_TRY(read_number(&w, &nested));
	const char *first = read_word(&w);
	if (!first)
		return fail_damaged();
	l->linked |= linked != 0;
	images->nested += nested;
	if (first[0] != '\0' && !images->first_nested && !(images->first_nested = thaw_strdup(first)))
		return THAW_RESOURCE;
	return read_found(images->found, &w);
}
