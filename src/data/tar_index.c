/* An index saves the reading of all headers. It counts only if it is of the shard as it is now: the same size, the same
 * time of modification as the index itself, the same three blocks. What it says is checked again when an image is read:
 * the header before the image must have its name and size. */
#include "src/data/tar_index.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/fingerprint.h"
#include "src/data/tar_label.h"
#include "thaw/digest.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define MAGIC       "thawtar1"
#define INDEX_LIMIT ((size_t)4 << 30) /* bytes */

struct header {
	char magic[8];
	uint64_t layout;   /* sizes of what follows, in the order of this machine's bytes */
	uint64_t checksum; /* of all bytes after it */
	uint64_t shard;    /* bytes */
	uint64_t blocks;   /* of the shard's fingerprint */
	uint32_t samples, texts;
	uint64_t text_bytes; /* of the texts, then the examples, each ended by a NUL */
	uint64_t counts[TAR_COUNTS];
};

_Static_assert(sizeof(struct header) % _Alignof(struct tar_sample) == 0, "samples follow the header");

#define LAYOUT (0x0102030400000000u | sizeof(struct header) << 16 | sizeof(struct tar_sample))
#define SUMMED (offsetof(struct header, shard))

static uint64_t checksum(const void *bytes, size_t size)
{
	return thaw_digest((const char *)bytes + SUMMED, size - SUMMED, LAYOUT);
}

thaw_status thaw_tar_index_seal(void *bytes, size_t size, const char *path)
{
	struct header h;
	struct stat st;
	struct thaw_fingerprint f;
	if (size < sizeof(h))
		return THAW_OK;
	if (stat(path, &st) != 0)
		return thaw_fail_io("cannot read", path);
	THAW_TRY(thaw_fingerprint_file(&f, path, false));
	memcpy(&h, bytes, sizeof(h));
	memcpy(h.magic, MAGIC, sizeof(h.magic));
	h.layout = LAYOUT;
	h.shard = (uint64_t)st.st_size;
	h.blocks = f.blocks;
	memcpy(bytes, &h, sizeof(h));
	h.checksum = checksum(bytes, size);
	memcpy(bytes, &h, sizeof(h));
	return THAW_OK;
}

/* Whether the parts of an index of `size` bytes have the sizes that its header says. */
static bool is_sized(const struct header *h, uint64_t size)
{
	if (size <= sizeof(*h) || memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0 || h->layout != LAYOUT)
		return false;
	uint64_t rest = size - sizeof(*h), samples = (uint64_t)h->samples * sizeof(struct tar_sample);
	return samples <= rest && h->text_bytes == rest - samples && h->text_bytes > 0;
}

static bool is_whole(const struct header *h, const void *bytes, size_t size)
{
	return is_sized(h, size) && h->checksum == checksum(bytes, size) && ((const char *)bytes)[size - 1] == '\0';
}

static bool is_valid(const struct tar_sample *s, const struct tar_shard *shard)
{
	uint64_t size = (uint64_t)shard->size;
	const char *folder = s->folder == TAR_NONE            ? "d"
			     : s->folder < shard->texts.count ? shard->texts.text[s->folder]
							      : "";
	bool label = s->label == TAR_NONE ||
		     (s->label < shard->texts.count && strchr("clgvt", shard->texts.text[s->label][0]) &&
		      shard->texts.text[s->label][0] != '\0');
	return label && folder[0] == TAR_LABEL_FOLDER && s->size <= TAR_IMAGE_LIMIT && s->header >= 512 &&
	       s->header <= s->offset && s->offset <= size && s->size <= size - s->offset && !(s->weight < 0);
}

/* Reads the texts, then the examples; both lie in text[size], which ends with a NUL. */
static thaw_status read_texts(struct tar_shard *s, const struct header *h, const char *text, bool *good)
{
	const char *end = text + h->text_bytes;
	uint32_t number;
	for (uint32_t i = 0; i < h->texts && text < end; i++, text += strlen(text) + 1) {
		THAW_TRY(thaw_tar_texts_add(&s->texts, &number, text));
		if (number != i)
			return THAW_OK;
	}
	for (int i = 0; i < TAR_COUNTS && text < end; i++, text += strlen(text) + 1) {
		s->counts.count[i] = h->counts[i];
		if (h->counts[i] > 0 && !(s->counts.example[i] = thaw_strdup(text)))
			return THAW_RESOURCE;
		*good = i == TAR_COUNTS - 1 && text + strlen(text) + 1 == end && s->texts.count == h->texts;
	}
	return THAW_OK;
}

/* Takes `bytes`, in which the samples stay. */
static thaw_status parse(struct tar_shard *s, const struct header *h, char *bytes, bool *good)
{
	char *samples = bytes + sizeof(*h);
	s->memory = bytes;
	s->samples = (struct tar_sample *)samples;
	s->count = h->samples;
	THAW_TRY(read_texts(s, h, samples + (size_t)h->samples * sizeof(*s->samples), good));
	for (uint32_t i = 0; i < s->count && *good; i++)
		*good = is_valid(&s->samples[i], s);
	return THAW_OK;
}

/* Whether the index was written for the shard as it is now. */
static bool is_current(const struct header *h, const struct stat *shard, const struct stat *index, const char *path)
{
	struct thaw_fingerprint f;
	return h->shard == (uint64_t)shard->st_size && shard->st_mtim.tv_sec == index->st_mtim.tv_sec &&
	       shard->st_mtim.tv_nsec == index->st_mtim.tv_nsec && thaw_fingerprint_file(&f, path, false) == THAW_OK &&
	       f.blocks == h->blocks;
}

static thaw_status read_index(struct tar_shard *s, bool *good, const struct stat *shard, const struct stat *own,
			      const char *path, const char *index)
{
	struct header h;
	void *bytes;
	size_t size;
	thaw_status status = thaw_file_read(&bytes, &size, index, INDEX_LIMIT);
	if (status != THAW_OK)
		return status == THAW_RESOURCE ? status : THAW_OK;
	if (size > sizeof(h)) {
		memcpy(&h, bytes, sizeof(h));
		s->size = shard->st_size;
		s->modified = (int64_t)shard->st_mtim.tv_sec * 1000000000 + shard->st_mtim.tv_nsec;
		if (is_whole(&h, bytes, size) && is_current(&h, shard, own, path))
			return parse(s, &h, bytes, good);
	}
	thaw_free(bytes);
	return THAW_OK;
}

static void count_index(uint32_t *count, bool *good, const struct stat *shard, const struct stat *own, const char *path,
			const char *index)
{
	struct header h;
	int fd = open(index, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (pread(fd, &h, sizeof(h), 0) == sizeof(h) && own->st_size > 0 && (uint64_t)own->st_size <= INDEX_LIMIT &&
	    is_sized(&h, (uint64_t)own->st_size) && is_current(&h, shard, own, path)) {
		*count = h.samples;
		*good = true;
	}
	close(fd);
}

/* Reads the index as a whole into *s, or only its beginning into *count. */
static thaw_status examine(struct tar_shard *s, uint32_t *count, enum tar_index_state *state, int fd, const char *path)
{
	struct stat shard, own;
	bool good = false;
	thaw_status status = THAW_OK;
	char *index = thaw_format("%s" TAR_INDEX_END, path);
	if (!index)
		return THAW_RESOURCE;
	bool there = thaw_path_is_file(index), known = there && fstat(fd, &shard) == 0 && stat(index, &own) == 0;
	if (known && s)
		status = read_index(s, &good, &shard, &own, path, index);
	else if (known)
		count_index(count, &good, &shard, &own, path, index);
	thaw_free(index);
	*state = good && status == THAW_OK ? TAR_INDEX_READ : there ? TAR_INDEX_STALE : TAR_INDEX_MISSING;
	return status;
}

thaw_status thaw_tar_index_read(struct tar_shard *s, enum tar_index_state *state, int fd, const char *path)
{
	struct tar_shard read = {0};
	*state = TAR_INDEX_MISSING;
	thaw_status status = examine(&read, NULL, state, fd, path);
	if (*state == TAR_INDEX_READ)
		*s = read;
	else
		thaw_tar_shard_free(&read);
	return status;
}

thaw_status thaw_tar_index_count(uint32_t *count, enum tar_index_state *state, int fd, const char *path)
{
	return examine(NULL, count, state, fd, path);
}

static thaw_status write_texts(struct thaw_sink *sink, const struct tar_shard *s)
{
	for (uint32_t i = 0; i < s->texts.count; i++)
		THAW_TRY(sink->write(sink, s->texts.text[i], strlen(s->texts.text[i]) + 1));
	for (int i = 0; i < TAR_COUNTS; i++) {
		const char *example = s->counts.example[i] ? s->counts.example[i] : "";
		THAW_TRY(sink->write(sink, example, strlen(example) + 1));
	}
	return THAW_OK;
}

/* Bytes in memory, so that the checksum is known before they are written. */
struct buffer {
	char *bytes;
	size_t size, room;
};

static thaw_status append(struct thaw_sink *sink, const void *bytes, size_t size)
{
	struct buffer *b = sink->context;
	if (b->room - b->size < size) {
		size_t room = 2 * (b->room + size);
		char *grown = thaw_alloc(room, 1);
		if (!grown)
			return THAW_RESOURCE;
		if (b->size > 0)
			memcpy(grown, b->bytes, b->size);
		thaw_free(b->bytes);
		b->bytes = grown;
		b->room = room;
	}
	if (size > 0)
		memcpy(b->bytes + b->size, bytes, size);
	b->size += size;
	return THAW_OK;
}

static thaw_status make_index(struct buffer *b, const struct tar_shard *s, const char *path)
{
	struct thaw_sink sink = {.write = append, .context = b};
	struct header h = {.samples = s->count, .texts = s->texts.count};
	memcpy(h.counts, s->counts.count, sizeof(h.counts));
	THAW_TRY(append(&sink, &h, sizeof(h)));
	THAW_TRY(append(&sink, s->samples, (size_t)s->count * sizeof(*s->samples)));
	size_t before = b->size;
	THAW_TRY(write_texts(&sink, s));
	h.text_bytes = b->size - before;
	memcpy(b->bytes, &h, sizeof(h));
	return thaw_tar_index_seal(b->bytes, b->size, path);
}

static thaw_status write_file(const struct buffer *b, const char *path)
{
	struct thaw_file_writer *f;
	THAW_TRY(thaw_file_writer_open(&f, path));
	struct thaw_sink *sink = thaw_file_writer_sink(f);
	thaw_status status = sink->write(sink, b->bytes, b->size);
	if (status == THAW_OK)
		return thaw_file_writer_commit(f);
	thaw_file_writer_discard(f);
	return status;
}

thaw_status thaw_tar_index_write(const struct tar_shard *s, const char *path)
{
	struct buffer b = {0};
	const struct timespec now = {.tv_sec = time(NULL)}, times[2] = {now, now};
	char *index = thaw_format("%s" TAR_INDEX_END, path);
	thaw_status status = index ? make_index(&b, s, path) : THAW_RESOURCE;
	if (status == THAW_OK)
		status = write_file(&b, index);
	if (status == THAW_OK &&
	    (utimensat(AT_FDCWD, path, times, 0) != 0 || utimensat(AT_FDCWD, index, times, 0) != 0))
		status = thaw_fail_io("cannot set the time", index);
	thaw_free(b.bytes);
	thaw_free(index);
	return status;
}
