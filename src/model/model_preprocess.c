/* A model's preprocessing: changed by flags, and described with its sources. */
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/model/model_internal.h"
#include "thaw/digest.h"
#include "thaw/memory.h"

#define FROM_FLAGS "flags"

static const char *const value_names[] = {
	[THAW_VALUE_SIZE] = "size", [THAW_VALUE_CROP] = "crop", [THAW_VALUE_INTERPOLATION] = "interpolation",
	[THAW_VALUE_MEAN] = "mean", [THAW_VALUE_STD] = "std",
};

static const char *source_of(const struct thaw_model *m, int value)
{
	return m->value_from[value] ? m->value_from[value] : m->preprocess_from;
}

thaw_status thaw_model_add_note(struct thaw_model *m, const char *note)
{
	char *notes = thaw_format("%s%s%s", m->notes ? m->notes : "", m->notes ? "; " : "", note);
	if (!notes)
		return THAW_RESOURCE;
	thaw_free(m->notes);
	m->notes = notes;
	return THAW_OK;
}

/* The network was trained with other values than those of the flags: allowed, as another size is, because
 * another crop may measure better and a record may be wrong; but never silently. */
static thaw_status note_changes(struct thaw_model *m, const struct thaw_preprocess *own)
{
	char text[THAW_PREPROCESS_TEXT], note[2 * THAW_PREPROCESS_TEXT];
	const struct thaw_preprocess *p = &m->preprocess;
	bool colours = false;
	for (int c = 0; c < 3; c++)
		colours |= own->mean[c] != p->mean[c] || own->std[c] != p->std[c];
	bool geometry = own->resize != p->resize || own->mode != p->mode || own->filter != p->filter;
	if (m->preprocess_recorded && (colours || geometry)) {
		snprintf(note, sizeof(note), "flags change the recorded preprocessing, which is %s",
			 thaw_preprocess_text(own, text, sizeof(text)));
		THAW_TRY(thaw_model_add_note(m, note));
	}
	const char *mean_from = m->value_from[THAW_VALUE_MEAN];
	if (colours && mean_from && strcmp(mean_from, THAW_FROM_NETWORK) == 0)
		return thaw_model_add_note(m, "flags change the values that it is given");
	return THAW_OK;
}

thaw_status thaw_model_set_preprocess(struct thaw_model *m, struct thaw_size size,
				      const struct thaw_preprocess_override *o)
{
	THAW_TRY(thaw_model_set_size(m, size));
	const struct thaw_preprocess own = m->preprocess;
	THAW_TRY(thaw_preprocess_override_apply(&m->preprocess, o));
	THAW_TRY(note_changes(m, &own));
	if (size.height > 0) /* instead of the images' own sizes */
		m->preprocess.native = (struct thaw_native){0};
	const bool given[] = {
		[THAW_VALUE_SIZE] = size.height > 0,
		[THAW_VALUE_CROP] = o->crop != NULL,
		[THAW_VALUE_INTERPOLATION] = o->interpolation != NULL,
		[THAW_VALUE_MEAN] = o->mean != NULL,
		[THAW_VALUE_STD] = o->std != NULL,
	};
	for (int i = 0; i < THAW_PREPROCESS_VALUES; i++)
		if (given[i])
			m->value_from[i] = FROM_FLAGS;
	return THAW_OK;
}

/* Whether an earlier value has the same source. */
static bool is_named(const struct thaw_model *m, int value)
{
	for (int i = 0; i < value; i++)
		if (strcmp(source_of(m, i), source_of(m, value)) == 0)
			return true;
	return false;
}

/* Appends "mean, std: SOURCE" for the source of `value`. Returns the number of bytes in use, at most size. */
static size_t append_group(const struct thaw_model *m, int value, char *text, size_t used, size_t size)
{
	const char *source = source_of(m, value), *separator = used ? "; " : "";
	for (int i = value; i < THAW_PREPROCESS_VALUES && used < size; i++) {
		if (strcmp(source_of(m, i), source) != 0)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s", separator, value_names[i]);
		separator = ", ";
	}
	if (used < size)
		used += (size_t)snprintf(text + used, size - used, ": %s", source);
	return used < size ? used : size;
}

const char *thaw_model_preprocess_source(const struct thaw_model *m, char *text, size_t size)
{
	size_t used = 0;
	bool rest = false;
	for (int i = 0; i < THAW_PREPROCESS_VALUES; i++) {
		if (strcmp(source_of(m, i), m->preprocess_from) == 0)
			rest = true;
		else if (!is_named(m, i))
			used = append_group(m, i, text, used, size);
	}
	if (rest && used < size)
		snprintf(text + used, size - used, "%s%s", used ? "; rest: " : "", m->preprocess_from);
	return text;
}

const char *thaw_model_preprocess_line(const struct thaw_model *m, char *text, size_t size)
{
	char source[THAW_PREPROCESS_SOURCE], values[THAW_PREPROCESS_TEXT];
	snprintf(text, size, "images (%s): %s", thaw_model_preprocess_source(m, source, sizeof(source)),
		 thaw_preprocess_text(&m->preprocess, values, sizeof(values)));
	return text;
}

static json_t *sources_json(const struct thaw_model *m)
{
	json_t *sources = json_object();
	for (int i = 0; sources && i < THAW_PREPROCESS_VALUES; i++)
		json_object_set_new(sources, value_names[i], json_string(source_of(m, i)));
	return sources;
}

json_t *thaw_model_preprocess_json(const struct thaw_model *m)
{
	const struct thaw_preprocess *p = &m->preprocess;
	char text[THAW_PREPROCESS_TEXT], source[THAW_PREPROCESS_SOURCE];
	return json_pack("{s:s, s:o, s:s, s:o, s:i, s:s, s:s, s:s, s:[f,f,f], s:[f,f,f], s:o*}", "from",
			 thaw_model_preprocess_source(m, source, sizeof(source)), "sources", sources_json(m), "text",
			 thaw_preprocess_text(p, text, sizeof(text)), "size", thaw_metadata_size(p->size), "resize",
			 p->resize, "mode", thaw_resize_mode_name(p->mode), "filter", thaw_filter_name(p->filter),
			 "channels", p->channels == THAW_BGR ? "BGR" : "RGB", "mean", (double)p->mean[0],
			 (double)p->mean[1], (double)p->mean[2], "std", (double)p->std[0], (double)p->std[1],
			 (double)p->std[2], "native", thaw_metadata_native(&p->native));
}
