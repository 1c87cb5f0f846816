#include "src/data/image_file.h"

#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "thaw/file.h"

#define FILE_LIMIT ((size_t)512 << 20) /* bytes of one image file */

thaw_status thaw_image_file_bytes(void **bytes, size_t *size, const char *path)
{
	return thaw_file_read(bytes, size, path, FILE_LIMIT);
}

thaw_status thaw_image_file_read(struct thaw_encoded_image *encoded, const char *path, const char *name)
{
	void *bytes;
	size_t size;
	int64_t modified = thaw_modified(path); /* before the bytes are read: a later change shows */
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	struct thaw_fingerprint fingerprint = thaw_fingerprint_of(bytes, size, modified);
	THAW_TRY(thaw_encoded_image_open(encoded, bytes, size, name));
	encoded->fingerprint = fingerprint;
	return THAW_OK;
}
