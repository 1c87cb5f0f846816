/* Fuzzes the reader of images.digests.zst. The first byte of the input: even, the rest is the file; odd, its content,
 * which is compressed here, since random changes would not get past zstd. */
#include "src/checkpoint/frame.h"
#include "src/train/contents_file.h"
#include "tests/fuzz/fuzz.h"

enum { IMAGES = 5, TESTS = 2, LANES = 2 };

static void put_compressed(const uint8_t *bytes, size_t size)
{
	struct thaw_frame_writer *file;
	if (thaw_frame_open(&file, fuzz_path(CONTENTS_FILE), size, 1) != THAW_OK ||
	    thaw_frame_append(file, bytes, size) != THAW_OK || thaw_frame_commit(file) != THAW_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct thaw_comm comm = thaw_comm_alone();
	struct thaw_contents *part[CONTENTS_PARTS] = {0};
	json_t *header = NULL;
	int64_t unread = 0;
	if (size == 0)
		return 0;
	if (bytes[0] % 2)
		put_compressed(bytes + 1, size - 1);
	else
		fuzz_put(CONTENTS_FILE, bytes + 1, size - 1);
	if (thaw_contents_create(&part[0], IMAGES, LANES, 1, 0) != THAW_OK ||
	    thaw_contents_create(&part[1], TESTS, LANES, 1, 0) != THAW_OK)
		abort();
	if (thaw_contents_load(&comm, part, &header, fuzz_path(CONTENTS_FILE)) != THAW_OK)
		fuzz_expect_message();
	volatile uint64_t digest = thaw_contents_sum(part[0], &unread) + thaw_contents_sum(part[1], &unread);
	(void)digest;
	json_decref(header);
	header = NULL;
	if (thaw_contents_read_header(&header, fuzz_path(CONTENTS_FILE)) != THAW_OK)
		fuzz_expect_message();
	json_decref(header);
	thaw_contents_destroy(part[0]);
	thaw_contents_destroy(part[1]);
	return 0;
}
