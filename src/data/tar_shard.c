#include "src/data/tar_shard.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

static const char *const texts[TAR_COUNTS] = {
	[TAR_LABELS_ALONE] = "labels without an image in their shard",
	[TAR_FURTHER_IMAGES] = "further images beside the first one of a sample",
	[TAR_OTHER_MEMBERS] = "members of shards that are no images or labels, or are stored with holes",
	[TAR_SYSTEM_MEMBERS] = "hidden or system files in shards",
	[TAR_LINKS_OUTSIDE] = "links in shards that do not lead to an image of the shard",
	[TAR_DEVICES] = "devices or pipes in shards",
	[TAR_TOO_LARGE] = "images in shards of more than 512 MiB",
	[TAR_DAMAGED_LABELS] = "labels in shards that cannot be understood",
	[TAR_DAMAGED] = "damaged headers in shards, whose members are not read",
	[TAR_CUT] = "members where their shard ends too early or cannot be read further",
	[TAR_NO_END] = "shards without an end mark, which may be cut",
	[TAR_EMPTY] = "shards without members",
	[TAR_SAME_KEYS] = "members of a name that is in their shard twice; all are used",
	[TAR_APART] = "members that are not beside the others of their key; they are used",
	[TAR_ODD_NAMES] = "members whose name begins with a slash or has ..; they are used",
};

void thaw_tar_counts_free(struct tar_counts *c)
{
	for (int i = 0; i < TAR_COUNTS; i++)
		thaw_free(c->example[i]);
	*c = (struct tar_counts){0};
}

void thaw_tar_shard_free(struct tar_shard *s)
{
	thaw_tar_counts_free(&s->counts);
	thaw_tar_texts_free(&s->texts);
	thaw_free(s->memory ? s->memory : s->samples);
	*s = (struct tar_shard){0};
}

thaw_status thaw_tar_count(struct tar_counts *c, enum tar_count what, const char *example)
{
	if (c->count[what]++ > 0)
		return THAW_OK;
	c->example[what] = thaw_strdup(example);
	return c->example[what] ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_tar_counts_add(struct tar_counts *to, const struct tar_counts *from, const char *shard)
{
	for (int i = 0; i < TAR_COUNTS; i++) {
		const char *example = from->example[i] ? from->example[i] : "";
		if (from->count[i] > 0 && to->count[i] == 0)
			to->example[i] = example[0] ? thaw_format("%s/%s", shard, example) : thaw_strdup(shard);
		if (from->count[i] > 0 && !to->example[i])
			return THAW_RESOURCE;
		to->count[i] += from->count[i];
	}
	return THAW_OK;
}

thaw_status thaw_tar_counts_report(struct thaw_found *found, const struct tar_counts *c)
{
	for (int i = 0; i < TAR_COUNTS; i++) {
		long long count = (long long)c->count[i];
		if (count > 0 && i <= TAR_SKIPPED)
			THAW_TRY(thaw_found_skip_many(found, texts[i], count, c->example[i]));
		else if (count > 0)
			THAW_TRY(thaw_found_note(found,
						 thaw_format("%s: %lld (first: %s)", texts[i], count, c->example[i])));
	}
	return THAW_OK;
}
