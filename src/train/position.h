/* The members of struct position in the metadata of a checkpoint. */
#ifndef THAW_TRAIN_POSITION_H
#define THAW_TRAIN_POSITION_H

#include <stdbool.h>
#include <stddef.h>

#define RUN_POSITION_FIELDS 11

struct position_field {
	const char *key;
	size_t offset;
	bool real; /* double, else int64_t */
};

extern const struct position_field run_position_fields[RUN_POSITION_FIELDS];

#endif
