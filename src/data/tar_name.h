/* Names of the members of a tar shard. Internal to src/data. */
#ifndef THAW_SRC_DATA_TAR_NAME_H
#define THAW_SRC_DATA_TAR_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/error.h"

#define TAR_NAME  4096 /* bytes of a name with its NUL; members with longer ones are not used */
#define TAR_BLOCK 512  /* bytes of a header */

/* A name in WebDataset's parts: "rose/a.seg.png" is in the folder "rose" and has the key "rose/a" and the field
 * "seg.png". */
struct tar_name {
	char text[TAR_NAME]; /* without a slash in front, "." and ".." */
	size_t folder;       /* bytes of the folder, without the slash behind; 0: none */
	size_t key;          /* bytes of the key */
	const char *field;   /* within `text`; "": none */
	bool odd;            /* the name was absolute or had a ".." */
};

/* Returns false if the name is too long or empty. */
bool thaw_tar_name_parse(struct tar_name *n, const char *raw);

/* Digests of the key and of the whole name. */
uint64_t thaw_tar_key_digest(const struct tar_name *n);
uint64_t thaw_tar_name_digest(const struct tar_name *n);

/* What a link at the member `n` leads to, a name in the same shard. */
bool thaw_tar_name_target(struct tar_name *target, const struct tar_name *n, const char *link);

/* Reads name and size of the member with this header, if its checksum is right and it is not part of an extended one.
 */
bool thaw_tar_header_parse(struct tar_name *n, uint64_t *size, const uint8_t header[TAR_BLOCK]);

/* Reads the name of the member whose headers, at most `length` bytes, begin at `position` of the file; length 0: not
 * known. `shard` is for messages. THAW_DATA if there is no member. */
thaw_status thaw_tar_name_read(struct tar_name *n, int fd, uint64_t position, size_t length, const char *shard);

#endif
