/* Fuzzes tar shards: the input is a shard, its index and a file of class names (fuzz_split). The index is sealed, since
 * random changes would not get past its checksum; without one the shard is scanned. */
#include <fcntl.h>
#include <sys/stat.h>

#include "src/data/tar_index.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/dataset.h"
#include "thaw/image.h"

#define MAX_SAMPLES 64

static void put_index(const struct fuzz_part *part)
{
	const struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	uint8_t *bytes = malloc(part->size + 1);
	if (!bytes)
		abort();
	memcpy(bytes, part->bytes, part->size);
	if (thaw_tar_index_seal(bytes, part->size, fuzz_path("s.tar")) != THAW_OK)
		abort();
	fuzz_put("s.tar.index", bytes, part->size);
	free(bytes);
	if (utimensat(AT_FDCWD, fuzz_path("s.tar"), times, 0) != 0 ||
	    utimensat(AT_FDCWD, fuzz_path("s.tar.index"), times, 0) != 0)
		abort();
}

static void read_samples(const struct thaw_dataset *d)
{
	char name[512];
	for (int64_t i = 0; i < d->count && i < MAX_SAMPLES; i++) {
		struct thaw_encoded_image encoded;
		d->name(d, i, name, sizeof(name));
		if (d->labels[i] < 0 || d->labels[i] >= d->classes)
			abort();
		(void)thaw_dataset_fingerprint(d, i, true);
		if (d->read(d, i, &encoded) == THAW_OK)
			thaw_encoded_image_free(&encoded);
		else
			fuzz_expect_message();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"s.tar", "s.tar.index", "classnames.txt"};
	static const struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	struct fuzz_part parts[3] = {0};
	int count = fuzz_split(parts, 3, bytes, size);
	fuzz_put("s.tar", parts[0].bytes, parts[0].size);
	if (count > 1 && parts[1].size > 0)
		put_index(&parts[1]);
	if (count > 2)
		fuzz_put("classnames.txt", parts[2].bytes, parts[2].size);
	for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_ALL; split++) {
		struct thaw_dataset d = {0};
		if (thaw_dataset_open(&d, fuzz_folder(), (enum thaw_split)split, &options) != THAW_OK) {
			fuzz_expect_message();
			continue;
		}
		read_samples(&d);
		thaw_dataset_close(&d);
	}
	fuzz_clear(names, 3);
	return 0;
}
