/* A key with its value, such as an entry of a file's metadata. */
#ifndef THAW_PAIR_H
#define THAW_PAIR_H

#include "thaw/api.h"

THAW_BEGIN_DECLS

struct thaw_pair {
	char *key, *value; /* owned by the struct that contains the pair */
};

THAW_END_DECLS

#endif
