/* Reads the headers of a tar file with libarchive, and of its members only those that are labels. Where an image is
 * follows from the position after its headers; reading an image later compares the header there with its name. */
#include "src/data/tar_shard.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/io_error.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/data/image.h"
#include "src/data/listing.h"
#include "src/data/tar_group.h"
#include "thaw/memory.h"

#define READ_BLOCK ((size_t)64 << 10) /* bytes per read */

struct scan {
	struct tar_shard *shard;
	struct tar_groups groups;
	struct archive *archive;
	int fd;
	const char *name;       /* of the shard */
	struct tar_name member; /* that is read */
	char *label;            /* [label_room] the bytes of a label */
	size_t label_room;
	uint64_t end; /* of the last member, without padding */
	uint64_t members;
};

static thaw_status count_member(struct scan *s, enum tar_count what)
{
	return thaw_tar_count(&s->shard->counts, what, s->member.text);
}

/* Reads up to `size` bytes of the member. */
static size_t read_member(struct scan *s, void *bytes, size_t size)
{
	la_ssize_t got = archive_read_data(s->archive, bytes, size);
	return got > 0 ? (size_t)got : 0;
}

/* Makes room for the bytes of a label. */
static thaw_status reserve_label(struct scan *s, size_t size)
{
	if (size <= s->label_room)
		return THAW_OK;
	thaw_free(s->label);
	s->label_room = 2 * size;
	s->label = thaw_alloc(s->label_room, 1);
	return s->label ? THAW_OK : THAW_RESOURCE;
}

static thaw_status take_label(struct scan *s, const struct tar_place *at, enum tar_field field)
{
	struct tar_label label = {.damaged = true};
	if (at->size <= TAR_LABEL_LIMIT) {
		THAW_TRY(reserve_label(s, (size_t)at->size));
		size_t got = read_member(s, s->label, (size_t)at->size);
		if (got == at->size)
			THAW_TRY(thaw_tar_label_parse(&label, field, s->label, got));
	}
	thaw_status status = thaw_tar_groups_label(&s->groups, &s->member, at, &label);
	thaw_free(label.text);
	return status;
}

static thaw_status take_link(struct scan *s, const struct tar_place *at, const char *target, bool hard)
{
	struct tar_name *n = thaw_alloc(1, sizeof(*n));
	if (!n)
		return THAW_RESOURCE;
	bool named = hard ? thaw_tar_name_parse(n, target) : thaw_tar_name_target(n, &s->member, target);
	uint64_t link = named ? thaw_tar_name_digest(n) : 0;
	thaw_free(n);
	if (link == 0 || !thaw_image_extension(s->member.text))
		return count_member(s, TAR_LINKS_OUTSIDE);
	return thaw_tar_groups_image(&s->groups, &s->member, at, link);
}

/* By its name, else by its first bytes. */
static bool is_image(struct scan *s, const struct tar_place *at)
{
	uint8_t head[THAW_IMAGE_HEAD];
	if (thaw_image_extension(s->member.text))
		return true;
	size_t got = at->size > 0 ? read_member(s, head, sizeof(head)) : 0;
	return got > 0 && thaw_image_format_name(head, got) && !thaw_image_raw_extension(s->member.text);
}

static thaw_status take_file(struct scan *s, const struct tar_place *at)
{
	enum tar_field field = thaw_tar_field(s->member.field);
	if (field != TAR_FIELD_OTHER)
		return take_label(s, at, field);
	if (!is_image(s, at))
		return count_member(s, TAR_OTHER_MEMBERS);
	if (at->size > TAR_IMAGE_LIMIT)
		return count_member(s, TAR_TOO_LARGE);
	return thaw_tar_groups_image(&s->groups, &s->member, at, 0);
}

/* Whether a folder of the name, or the file, is one that systems create. */
static bool is_system_member(const struct tar_name *n)
{
	char part[TAR_NAME];
	for (const char *at = n->text; *at;) {
		size_t length = strcspn(at, "/");
		memcpy(part, at, length);
		part[length] = '\0';
		if (thaw_is_system_name(part))
			return true;
		at += length + (at[length] == '/');
	}
	return false;
}

static thaw_status take_member(struct scan *s, struct archive_entry *e)
{
	const char *hard = archive_entry_hardlink(e), *name = archive_entry_pathname_utf8(e);
	struct tar_place at = {.position = (uint64_t)archive_read_header_position(s->archive),
			       .offset = (uint64_t)archive_filter_bytes(s->archive, 0),
			       .size = (uint64_t)archive_entry_size(e)};
	s->members++;
	name = name ? name : archive_entry_pathname(e);
	if (!name || !thaw_tar_name_parse(&s->member, name))
		return archive_entry_filetype(e) == AE_IFDIR ? THAW_OK
							     : thaw_tar_count(&s->shard->counts, TAR_OTHER_MEMBERS, "");
	if (archive_entry_filetype(e) == AE_IFDIR)
		return THAW_OK;
	if (s->member.odd)
		THAW_TRY(count_member(s, TAR_ODD_NAMES));
	if (is_system_member(&s->member))
		return count_member(s, TAR_SYSTEM_MEMBERS);
	if (hard)
		return take_link(s, &at, hard, true);
	if (archive_entry_filetype(e) == AE_IFLNK)
		return take_link(s, &at, archive_entry_symlink(e) ? archive_entry_symlink(e) : "", false);
	if (archive_entry_filetype(e) != AE_IFREG)
		return count_member(s, TAR_DEVICES);
	if (archive_entry_sparse_count(e) > 0) /* not stored as a whole, and `size` is not what it takes in the shard */
		return count_member(s, TAR_OTHER_MEMBERS);
	s->end = at.offset + at.size;
	bool whole = at.size <= (uint64_t)s->shard->size && s->end <= (uint64_t)s->shard->size;
	return whole ? take_file(s, &at) : count_member(s, TAR_CUT);
}

/* Without the zeros behind the last member the file may be cut at the end of a member. */
static thaw_status check_end(struct scan *s)
{
	char block[TAR_BLOCK], zeros[TAR_BLOCK] = {0};
	uint64_t at = (s->end + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	if (s->members == 0)
		return thaw_tar_count(&s->shard->counts, TAR_EMPTY, "");
	bool marked = pread(s->fd, block, sizeof(block), (off_t)max_int64((int64_t)at, s->shard->size - TAR_BLOCK)) ==
			      TAR_BLOCK &&
		      memcmp(block, zeros, sizeof(block)) == 0;
	return marked ? THAW_OK : thaw_tar_count(&s->shard->counts, TAR_NO_END, "");
}

/* Whether the bytes are at fault, and not the file system. */
static bool is_format_error(struct archive *a)
{
	int number = archive_errno(a);
	return number <= 0 || number == EILSEQ || number == EINVAL;
}

static thaw_status read_members(struct scan *s)
{
	struct archive_entry *e;
	while (s->shard->counts.count[TAR_CUT] == 0) {
		int result = archive_read_next_header(s->archive, &e);
		if (result == ARCHIVE_EOF)
			return check_end(s);
		if (result == ARCHIVE_RETRY) {
			THAW_TRY(thaw_tar_count(&s->shard->counts, TAR_DAMAGED, s->member.text));
			continue;
		}
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN && !is_format_error(s->archive))
			return thaw_fail(THAW_IO, "cannot read: %s: %s", s->name, archive_error_string(s->archive));
		if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
			return thaw_tar_count(&s->shard->counts, TAR_CUT, s->member.text);
		THAW_TRY(take_member(s, e));
	}
	return THAW_OK;
}

/* Kinds of files that are not plain tar, by their first bytes. */
static thaw_status check_kind(int fd, const char *name)
{
	uint8_t head[4] = {0};
	ssize_t got = pread(fd, head, sizeof(head), 0);
	if (got < 0)
		return thaw_fail_io("cannot read", name);
	const char *unpack = memcmp(head, "\x1F\x8B", 2) == 0           ? "gunzip"
			     : memcmp(head, "\x28\xB5\x2F\xFD", 4) == 0 ? "unzstd"
			     : memcmp(head,
				      "\xFD"
				      "7zX",
				      4) == 0
				     ? "unxz"
			     : memcmp(head, "BZh", 3) == 0 ? "bunzip2"
							   : NULL;
	if (!unpack)
		return THAW_OK;
	return thaw_fail(
		THAW_DATA,
		"compressed tar file: %s: images are read in any order, which needs a plain one: unpack it with "
		"%s",
		name, unpack);
}

static thaw_status open_archive(struct scan *s)
{
	bool good = (s->archive = archive_read_new()) && archive_read_support_format_tar(s->archive) == ARCHIVE_OK &&
		    archive_read_support_format_empty(s->archive) == ARCHIVE_OK &&
		    archive_read_set_options(s->archive, "tar:read_concatenated_archives") == ARCHIVE_OK;
	if (!good)
		return thaw_fail(THAW_RESOURCE, "libarchive cannot read tar files: %s", s->name);
	if (lseek(s->fd, 0, SEEK_SET) != 0)
		return thaw_fail_io("cannot read", s->name);
	if (archive_read_open_fd(s->archive, s->fd, READ_BLOCK) == ARCHIVE_OK)
		return THAW_OK;
	if (is_format_error(s->archive))
		return thaw_fail(THAW_DATA, "not a tar file: %s: remove it", s->name);
	return thaw_fail(THAW_IO, "cannot read: %s: %s", s->name, archive_error_string(s->archive));
}

thaw_status thaw_tar_scan(struct tar_shard *shard, int fd, const char *name)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return thaw_fail_io("cannot read", name);
	shard->size = st.st_size;
	shard->modified = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
	THAW_TRY(check_kind(fd, name));
	struct scan *s = thaw_alloc(1, sizeof(*s));
	if (!s)
		return THAW_RESOURCE;
	*s = (struct scan){.shard = shard, .groups = {.shard = shard, .last = TAR_NONE}, .fd = fd, .name = name};
	thaw_status status = open_archive(s);
	if (status == THAW_OK)
		status = read_members(s);
	if (status == THAW_OK)
		status = thaw_tar_groups_end(&s->groups, fd, name);
	archive_read_free(s->archive);
	thaw_tar_groups_free(&s->groups);
	thaw_free(s->label);
	thaw_free(s);
	return status;
}
