#include "src/data/manifest_search.h"

#include <string.h>

#include "src/data/image.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

const char *thaw_manifest_search_path(const struct manifest_search *s, int64_t i)
{
	return thaw_manifest_row_path(s->m, s->rows[i]);
}

long long thaw_manifest_search_line(const struct manifest_search *s, int64_t i)
{
	return (long long)s->m->row[s->rows[i]].line;
}

thaw_status thaw_manifest_search_fail_same(const struct manifest_rows *m, int64_t one, int64_t other)
{
	return thaw_fail(
		THAW_DATA,
		"two rows name one image: %s: lines %lld and %lld: \"%.200s\" and \"%.200s\": remove one of them",
		m->file, (long long)m->row[one].line, (long long)m->row[other].line, thaw_manifest_row_path(m, one),
		thaw_manifest_row_path(m, other));
}

thaw_status thaw_manifest_search_end(const struct manifest_search *s, struct thaw_found *found, const char *where,
				     const char *todo)
{
	int64_t missing = 0, first = 0;
	uint64_t digest = 0;
	for (int64_t i = 0; i < s->count; i++) {
		const char *path = thaw_manifest_search_path(s, i);
		if (s->found[i])
			continue;
		first = missing++ == 0 ? i : first;
		digest = thaw_digest(path, strlen(path) + 1, digest);
	}
	if (missing == 0)
		return THAW_OK;
	const char *path = thaw_manifest_search_path(s, first);
	if (2 * missing > s->count)
		return thaw_fail(THAW_IO, "%lld of %lld images are missing: %s: line %lld: %.200s%s is not in %s: %s",
				 (long long)missing, (long long)s->count, s->m->file,
				 thaw_manifest_search_line(s, first), path,
				 thaw_image_extension(path) ? "" : " (or with the extension of an image)", where, todo);
	found->missing = missing;
	found->missing_digest = digest;
	return thaw_found_note(found,
			       thaw_format("%lld of the %s images are missing and skipped like damaged ones (first: "
					   "line %lld: %s)",
					   (long long)missing, thaw_split_kind(found->split),
					   thaw_manifest_search_line(s, first), path));
}
