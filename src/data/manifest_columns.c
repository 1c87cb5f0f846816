/* Names of columns as published datasets have them: "image_id", "Image Index", "Finding Labels", "Patient ID". */
#include "src/data/manifest_columns.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define WORD_SIZE 128 /* bytes of a name that are compared */
#define LIST_SIZE 512 /* bytes of the list of columns in a message */

/* What a column is for: its flag, and its customary names, the most specific first, as fold_name writes them. */
struct purpose {
	const char *what, *flag;
	const char *const *names;
};

static const char *const path_names[] = {"path",     "filepath",  "imagepath",  "imgpath", "file",
					 "filename", "imagefile", "imagename",  "imgname", "image",
					 "images",   "img",       "imageindex", "imageid", "idcode",
					 "imgid",    "id",        "key",        NULL};
static const char *const label_names[] = {"label",   "labels",     "class",  "classes", "classname",     "labelname",
					  "classid", "labelid",    "target", "targets", "category",      "categories",
					  "tags",    "diagnosis",  "dx",     "species", "findinglabels", "grade",
					  "level",   "attributes", "y",      NULL};
static const char *const split_names[] = {"split", "subset", "set", "partition", "datasplit", "phase", NULL};
static const char *const group_names[] = {
	"group", "groupid", "patient", "patientid", "subject",  "subjectid",   "person",        "personid",
	"plant", "plantid", "camera",  "cameraid",  "lesionid", "participant", "participantid", NULL};
static const char *const weight_names[] = {"weight", "sampleweight", NULL};

static const struct purpose path_purpose = {"paths", "path", path_names},
			    label_purpose = {"labels", "label", label_names},
			    split_purpose = {"splits", "split", split_names},
			    group_purpose = {"groups", "group", group_names},
			    weight_purpose = {"weights", "weight", weight_names};

/* In small letters, without spaces, dashes and underscores. */
static void fold_name(char folded[WORD_SIZE], const char *name)
{
	size_t n = 0;
	for (; *name && n < WORD_SIZE - 1; name++)
		if (!strchr(" -_", *name))
			folded[n++] = (char)tolower((unsigned char)*name);
	folded[n] = '\0';
}

static bool is_used(const struct manifest_columns *c, int column)
{
	bool used = column == c->path || column == c->split || column == c->group || column == c->weight;
	for (int i = 0; i < c->labels; i++)
		used |= c->label[i] == column;
	return used;
}

static const char *list_columns(const struct manifest_columns *c, char text[LIST_SIZE])
{
	size_t used = 0;
	text[0] = '\0';
	for (int i = 0; i < c->count; i++) {
		int n = snprintf(text + used, LIST_SIZE - used, "%s\"%.64s\"", i > 0 ? ", " : "", c->name[i]);
		if (n < 0 || used + (size_t)n >= LIST_SIZE - 16) {
			snprintf(text + used, LIST_SIZE - used, " and others");
			break;
		}
		used += (size_t)n;
	}
	return text;
}

/* The column that was asked for: with exactly this name, else the only one that has it but for case and separators. */
static thaw_status find_named(int *column, const struct manifest_columns *c, const char *name, const char *flag,
			      const char *file)
{
	char wanted[WORD_SIZE], folded[WORD_SIZE], list[LIST_SIZE];
	int exact = 0, near = 0, exact_at = -1, near_at = -1;
	fold_name(wanted, name);
	for (int i = 0; i < c->count; i++) {
		fold_name(folded, c->name[i]);
		if (strcmp(c->name[i], name) == 0) {
			exact++;
			exact_at = i;
		} else if (strcmp(folded, wanted) == 0) {
			near++;
			near_at = i;
		}
	}
	if (exact > 1 || (exact == 0 && near > 1))
		return thaw_fail(THAW_CONFIG, "several columns are called \"%s\": %s: rename all but one", name, file);
	if (exact + near == 0 && strcmp(name, "none") == 0 && flag != path_purpose.flag && flag != label_purpose.flag)
		return THAW_OK; /* *column is -1 */
	if (exact + near == 0)
		return thaw_fail(THAW_CONFIG, "no column \"%s\": %s: give --%s-column one of %s", name, file, flag,
				 list_columns(c, list));
	*column = exact ? exact_at : near_at;
	return THAW_OK;
}

/* The first customary name that an unused column has; -1 if there is none. */
static thaw_status find_customary(int *column, const struct manifest_columns *c, const struct purpose *purpose,
				  const char *file)
{
	char folded[WORD_SIZE];
	*column = -1;
	for (int k = 0; purpose->names[k] && *column < 0; k++)
		for (int i = 0; i < c->count; i++) {
			fold_name(folded, c->name[i]);
			if (is_used(c, i) || strcmp(folded, purpose->names[k]) != 0)
				continue;
			if (*column >= 0)
				return thaw_fail(THAW_CONFIG,
						 "two columns that may have the %s: %s: \"%s\" and \"%s\": give "
						 "--%s-column%s",
						 purpose->what, file, c->name[*column], c->name[i], purpose->flag,
						 strcmp(c->name[*column], c->name[i]) == 0 ? ", or rename one" : "");
			*column = i;
		}
	return THAW_OK;
}

struct label_list {
	struct manifest_columns *columns;
	const char *file;
};

static thaw_status add_label(void *context, const char *name)
{
	struct label_list *l = context;
	int column;
	THAW_TRY(find_named(&column, l->columns, name, label_purpose.flag, l->file));
	for (int i = 0; i < l->columns->labels; i++)
		if (l->columns->label[i] == column)
			return thaw_fail(THAW_USAGE, "a column twice: --label-column: \"%s\": name it once", name);
	l->columns->label[l->columns->labels++] = column;
	return THAW_OK;
}

thaw_status thaw_split_list(const char *text, thaw_status (*add)(void *context, const char *word), void *context)
{
	char *copy = thaw_strdup(text), *next = copy;
	thaw_status status = copy ? THAW_OK : THAW_RESOURCE;
	while (next && status == THAW_OK) {
		char *word = next, *end = strchr(next, ',');
		next = end ? end + 1 : NULL;
		end = end ? end : word + strlen(word);
		while (*word == ' ')
			word++;
		while (end > word && end[-1] == ' ')
			end--;
		*end = '\0';
		status = add(context, word);
	}
	thaw_free(copy);
	return status;
}

static thaw_status find_labels(struct manifest_columns *c, const char *names, const char *file)
{
	struct label_list list = {c, file};
	if (!(c->label = thaw_alloc((size_t)c->count + 1, sizeof(*c->label))))
		return THAW_RESOURCE;
	for (int i = 0; names && i < c->count; i++) /* a name with a comma in it */
		if (strcmp(c->name[i], names) == 0 && strchr(names, ','))
			return (c->label[c->labels++] = i, THAW_OK);
	return names ? thaw_split_list(names, add_label, &list) : THAW_OK;
}

static thaw_status fail_missing(const struct manifest_columns *c, const struct purpose *purpose, const char *file)
{
	char list[LIST_SIZE];
	const char *several = purpose == &label_purpose ? " (several for columns of 0 and 1)" : "";
	return thaw_fail(THAW_DATA,
			 "no column of %s is known: %s: the columns of its first line are %s: give --%s-column%s",
			 purpose->what, file, list_columns(c, list), purpose->flag, several);
}

static thaw_status copy_names(struct manifest_columns *c, const struct csv_record *header)
{
	if (!(c->name = thaw_alloc((size_t)header->count, sizeof(*c->name))))
		return THAW_RESOURCE;
	c->count = header->count;
	for (int i = 0; i < c->count; i++)
		if (!(c->name[i] = thaw_strdup(header->field[i])))
			return THAW_RESOURCE;
	return THAW_OK;
}

thaw_status thaw_manifest_columns_find(struct manifest_columns *c, const struct csv_record *header,
				       const struct thaw_manifest_options *options, const char *file)
{
	*c = (struct manifest_columns){.path = -1, .split = -1, .group = -1, .weight = -1};
	const struct {
		int *column;
		const char *name;
		const struct purpose *purpose;
	} single[] = {{&c->path, options->path_column, &path_purpose},
		      {&c->split, options->split_column, &split_purpose},
		      {&c->group, options->group_column, &group_purpose},
		      {&c->weight, options->weight_column, &weight_purpose}};
	const size_t count = sizeof(single) / sizeof(*single);
	THAW_TRY(copy_names(c, header));
	for (size_t i = 0; i < count; i++)
		if (single[i].name)
			THAW_TRY(find_named(single[i].column, c, single[i].name, single[i].purpose->flag, file));
	THAW_TRY(find_labels(c, options->label_column, file));
	if (!options->path_column)
		THAW_TRY(find_customary(&c->path, c, &path_purpose, file));
	if (c->labels == 0) {
		THAW_TRY(find_customary(&c->label[0], c, &label_purpose, file));
		c->labels = c->label[0] >= 0;
	}
	for (size_t i = 1; i < count; i++)
		if (!single[i].name)
			THAW_TRY(find_customary(single[i].column, c, single[i].purpose, file));
	if (c->path < 0)
		return fail_missing(c, &path_purpose, file);
	return c->labels > 0 ? THAW_OK : fail_missing(c, &label_purpose, file);
}

void thaw_manifest_columns_free(struct manifest_columns *c)
{
	for (int i = 0; c->name && i < c->count; i++)
		thaw_free(c->name[i]);
	thaw_free(c->name);
	thaw_free(c->label);
	*c = (struct manifest_columns){0};
}

char *thaw_manifest_columns_text(const struct manifest_columns *c)
{
	const char *first = c->name[c->label[0]], *last = c->name[c->label[c->labels - 1]];
	const struct {
		const char *what;
		int column;
	} other[] = {{"split", c->split}, {"group", c->group}, {"weight", c->weight}};
	char *text = c->labels == 1 ? thaw_format("path \"%s\", label \"%s\"", c->name[c->path], first)
				    : thaw_format("path \"%s\", %d labels \"%s\" to \"%s\"", c->name[c->path],
						  c->labels, first, last);
	for (size_t i = 0; text && i < sizeof(other) / sizeof(*other); i++) {
		if (other[i].column < 0)
			continue;
		char *longer = thaw_format("%s, %s \"%s\"", text, other[i].what, c->name[other[i].column]);
		thaw_free(text);
		text = longer;
	}
	return text;
}
