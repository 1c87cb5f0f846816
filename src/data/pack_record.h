/* pack.json in a folder that thaw pack wrote: which packing it is, and whether it is complete. Internal to src/data. */
#ifndef THAW_SRC_DATA_PACK_RECORD_H
#define THAW_SRC_DATA_PACK_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "thaw/error.h"

struct pack_record {
	bool found;
	bool complete;
	uint64_t plan; /* digest of the dataset and the settings */
};

/* Reads the record of a folder; record->found is false if there is none. THAW_DATA if it is damaged. */
thaw_status thaw_pack_record_read(struct pack_record *record, const char *folder);
thaw_status thaw_pack_record_write(const struct pack_record *record, const char *folder);

/* THAW_DATA if the folder has shards of a packing that was not finished. */
thaw_status thaw_pack_check_complete(const char *folder);

#endif
