/* What was found in a dataset: collected while it is opened, then described as text or JSON. */
#include "src/data/found.h"

#include <stdio.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define LINE_SIZE 1024 /* bytes of a line */

struct thaw_found *thaw_found_create(void)
{
	return thaw_alloc(1, sizeof(struct thaw_found));
}

void thaw_found_destroy(struct thaw_found *found)
{
	if (!found)
		return;
	for (int i = 0; i < found->skipped_count; i++) {
		thaw_free(found->skipped[i].what);
		thaw_free(found->skipped[i].example);
	}
	for (int i = 0; i < found->note_count; i++)
		thaw_free(found->notes[i]);
	thaw_free(found->skipped);
	thaw_free(found->notes);
	thaw_free(found->from);
	thaw_free(found);
}

/* Counts `count` more in an entry that exists. The example is the first by name: folders are read in any order. */
static thaw_status count_more(struct thaw_skipped *s, int64_t count, const char *example)
{
	s->count += count;
	if (strcmp(example, s->example) >= 0)
		return THAW_OK;
	char *first = thaw_strdup(example);
	if (!first)
		return THAW_RESOURCE;
	thaw_free(s->example);
	s->example = first;
	return THAW_OK;
}

thaw_status thaw_found_skip_many(struct thaw_found *found, const char *what, int64_t count, const char *example)
{
	for (int i = 0; i < found->skipped_count; i++)
		if (strcmp(found->skipped[i].what, what) == 0)
			return count_more(&found->skipped[i], count, example);
	struct thaw_skipped *grown = thaw_grow(found->skipped, found->skipped_count, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	found->skipped = grown;
	struct thaw_skipped *s = &grown[found->skipped_count];
	*s = (struct thaw_skipped){thaw_strdup(what), count, thaw_strdup(example)};
	if (s->what && s->example) {
		found->skipped_count++;
		return THAW_OK;
	}
	thaw_free(s->what);
	thaw_free(s->example);
	return THAW_RESOURCE;
}

thaw_status thaw_found_skip(struct thaw_found *found, const char *what, const char *example)
{
	return thaw_found_skip_many(found, what, 1, example);
}

thaw_status thaw_found_merge(struct thaw_found *to, const struct thaw_found *from)
{
	for (int i = 0; i < from->skipped_count; i++)
		THAW_TRY(thaw_found_skip_many(to, from->skipped[i].what, from->skipped[i].count,
					      from->skipped[i].example));
	return THAW_OK;
}

thaw_status thaw_found_note(struct thaw_found *found, char *text)
{
	if (!text)
		return THAW_RESOURCE;
	char **grown = thaw_grow(found->notes, found->note_count, sizeof(*grown));
	if (!grown) {
		thaw_free(text);
		return THAW_RESOURCE;
	}
	found->notes = grown;
	grown[found->note_count++] = text;
	return THAW_OK;
}

void thaw_found_list_skipped(const struct thaw_found *found, char *text, size_t size)
{
	size_t used = 0;
	snprintf(text, size, "no files");
	for (int i = 0; i < found->skipped_count && used < size; i++) {
		int n = snprintf(text + used, size - used, "%s%s: %lld", i > 0 ? "; " : "", found->skipped[i].what,
				 (long long)found->skipped[i].count);
		used += n > 0 ? (size_t)n : 0;
	}
}

static const char *const kinds[] = {[THAW_SPLIT_TRAIN] = "training",
				    [THAW_SPLIT_VAL] = "validation",
				    [THAW_SPLIT_TEST] = "test",
				    [THAW_SPLIT_ALL] = "all"};

const char *thaw_split_kind(enum thaw_split split)
{
	return kinds[split];
}

const char *thaw_dataset_kind(const struct thaw_dataset *d)
{
	return kinds[d->found ? d->found->split : THAW_SPLIT_TEST];
}

static bool is_described(const struct thaw_dataset *d)
{
	return d->count > 0 && d->found;
}

/* Whether an earlier dataset has the same skipped entry: both parts of a random split list the same folder. */
static bool skipped_before(const struct thaw_dataset *const *d, int k, const struct thaw_skipped *s)
{
	for (int i = 0; i < k; i++)
		for (int j = 0; is_described(d[i]) && j < d[i]->found->skipped_count; j++)
			if (strcmp(d[i]->found->skipped[j].what, s->what) == 0 &&
			    strcmp(d[i]->found->skipped[j].example, s->example) == 0)
				return true;
	return false;
}

static bool noted_before(const struct thaw_dataset *const *d, int k, const char *note)
{
	for (int i = 0; i < k; i++)
		for (int j = 0; is_described(d[i]) && j < d[i]->found->note_count; j++)
			if (strcmp(d[i]->found->notes[j], note) == 0)
				return true;
	return false;
}

static int first_described(const struct thaw_dataset *const *d, int count)
{
	int k = 0;
	while (k < count && !is_described(d[k]))
		k++;
	return k;
}

json_t *thaw_found_json(const char *path, const struct thaw_dataset *const *d, int count)
{
	int first = first_described(d, count), failed = 0;
	json_t *skipped = json_array(), *notes = json_array();
	json_t *o = json_pack("{s:o, s:i}", "folder", thaw_report_string(path), "classes",
			      first < count ? d[first]->classes : 0);
	for (int k = first; k < count; k++) {
		const struct thaw_found *f = is_described(d[k]) ? d[k]->found : NULL;
		if (f)
			failed |= json_object_set_new(o, thaw_dataset_kind(d[k]),
						      json_pack("{s:I, s:I, s:o}", "images", (json_int_t)f->images,
								"used", (json_int_t)d[k]->count, "from",
								thaw_report_string(f->from)));
		for (int i = 0; f && i < f->skipped_count; i++)
			if (!skipped_before(d, k, &f->skipped[i]))
				failed |= json_array_append_new(
					skipped,
					json_pack("{s:o, s:I, s:o}", "what", thaw_report_string(f->skipped[i].what),
						  "count", (json_int_t)f->skipped[i].count, "first",
						  thaw_report_string(f->skipped[i].example)));
		for (int i = 0; f && i < f->note_count; i++)
			if (!noted_before(d, k, f->notes[i]))
				failed |= json_array_append_new(notes, thaw_report_string(f->notes[i]));
	}
	failed |= json_object_set_new(o, "skipped", skipped);
	failed |= json_object_set_new(o, "notes", notes);
	if (!failed)
		return o;
	json_decref(o);
	return NULL;
}

static void write_split(const char *kind, const json_t *split, void (*line)(void *context, const char *text),
			void *context)
{
	char text[LINE_SIZE];
	const json_int_t images = json_integer_value(json_object_get(split, "images"));
	const json_int_t used = json_integer_value(json_object_get(split, "used"));
	const char *from = json_string_value(json_object_get(split, "from"));
	int n = snprintf(text, sizeof(text), "  %-10s %lld image%s from %s", kind, (long long)images,
			 images == 1 ? "" : "s", from ? from : "");
	if (used != images && n > 0 && (size_t)n < sizeof(text))
		snprintf(text + n, sizeof(text) - (size_t)n, ", of which %lld are used", (long long)used);
	line(context, text);
}

void thaw_found_lines(const json_t *found, void (*line)(void *context, const char *text), void *context)
{
	char text[LINE_SIZE];
	size_t i;
	json_t *o;
	const json_int_t classes = json_integer_value(json_object_get(found, "classes"));
	const char *folder = json_string_value(json_object_get(found, "folder"));
	if (!found)
		return;
	snprintf(text, sizeof(text), "data: %s: %lld class%s", folder ? folder : "", (long long)classes,
		 classes == 1 ? "" : "es");
	line(context, text);
	const char *kind;
	json_object_foreach((json_t *)found, kind, o)
	{
		if (json_object_get(o, "from"))
			write_split(kind, o, line, context);
	}
	json_array_foreach(json_object_get(found, "skipped"), i, o)
	{
		snprintf(text, sizeof(text), "  skipped    %s: %lld (first: %s)",
			 json_string_value(json_object_get(o, "what")),
			 (long long)json_integer_value(json_object_get(o, "count")),
			 json_string_value(json_object_get(o, "first")));
		line(context, text);
	}
	json_array_foreach(json_object_get(found, "notes"), i, o)
	{
		snprintf(text, sizeof(text), "  note       %s", json_string_value(o));
		line(context, text);
	}
}
