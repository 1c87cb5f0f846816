/* A sentence for the user, put together from parts. Internal to src/model. */
#ifndef THAW_SRC_MODEL_NOTE_H
#define THAW_SRC_MODEL_NOTE_H

#include <stddef.h>

#define THAW_NOTE 1024 /* bytes; longer text is cut */

struct thaw_note {
	char text[THAW_NOTE];
	size_t used;
	int items; /* of the list that is being written */
};

/* Appends a part, after "; " if there are others. */
void thaw_note_part(struct thaw_note *note, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Begins a part that is a list; it is written with its first item. */
void thaw_note_list(struct thaw_note *note);
/* Appends an item to the list, after `heading` if it is the first; from the ninth on "..." once. */
void thaw_note_item(struct thaw_note *note, const char *heading, const char *item);

#endif
