/* Digests of bytes. */
#ifndef THAW_DIGEST_H
#define THAW_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"

THAW_BEGIN_DECLS

/* XXH3 of data[bytes], 64 bits. To continue, pass the previous digest as seed. Not cryptographic. */
uint64_t thaw_digest(const void *data, size_t bytes, uint64_t seed);

THAW_END_DECLS

#endif
