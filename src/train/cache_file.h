/* The file of a feature cache: a header, an index of all entries, then the records in the order in which they were
 * stored. A record is written before its index entry, so a process killed in between loses only that entry. After a
 * power failure, checksums detect what did not reach the disk.
 *
 * Everything is under a checksum: the header, each place in the index (with the number of its entry and the file's
 * digest, so that a place cannot stand in for another one), and each record.
 *
 * The file is read and written by system calls, not mapped: a file that another process truncates gives short reads,
 * not SIGBUS.
 */
#ifndef THAW_SRC_TRAIN_CACHE_FILE_H
#define THAW_SRC_TRAIN_CACHE_FILE_H

#include "src/train/cache.h"

/* A place in the index. All zero, as in a new file: the entry is absent. */
struct cache_place {
	uint64_t record;               /* number, from 1; 0: absent */
	uint64_t checksum;             /* of the record */
	struct thaw_fingerprint image; /* that the features were computed from */
	uint64_t self;                 /* checksum of this place */
};

/* The parts of the options that the header holds, with what follows from them. */
struct cache_shape {
	uint64_t digest, entries, record_bytes, dtype;
};

/* Opens and locks the file and allocates space for `capacity` records. Reads index[shape->entries]; *found says what
 * the file contained. A file that is not reused has an empty index. On failure *fd may be set too. */
thaw_status thaw_cache_file_open(int *fd, const char *path, const struct cache_shape *shape, uint64_t capacity,
				 struct cache_place *index, enum thaw_cache_found *found);

/* Reads or writes a record; false if that fails, also because the file is too short. */
bool thaw_cache_file_read(int fd, const struct cache_shape *shape, uint64_t record, void *bytes);
bool thaw_cache_file_write(int fd, const struct cache_shape *shape, uint64_t record, const void *bytes);

/* Lets the system read a record ahead of its use. */
void thaw_cache_file_fetch(int fd, const struct cache_shape *shape, uint64_t record);

/* Writes the place of an entry, after setting place->self. */
bool thaw_cache_file_place(int fd, const struct cache_shape *shape, uint64_t entry, struct cache_place *place);

#endif
