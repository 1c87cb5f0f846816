/* A wrong row refuses the manifest: to skip it would train on other images than its author meant. */
#include "src/data/manifest_rows.h"

#include <errno.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/grow.h"
#include "src/base/try.h"
#include "src/data/groups.h"
#include "src/data/split_names.h"
#include "thaw/memory.h"

#define FIRST_ROWS 64
#define LABEL_HINT "name the column of labels with --label-column, or give --task value for numbers"

static thaw_status fail_row(const struct manifest_rows *m, int64_t line, const char *what, const char *text,
			    const char *todo)
{
	return thaw_fail(THAW_DATA, "%s%s%.80s%s: %s: line %lld: %s", what, text ? " \"" : "", text ? text : "",
			 text ? "\"" : "", m->file, (long long)line, todo);
}

static const char *field_of(const struct csv_record *record, int column)
{
	return record->field[column];
}

static bool is_empty_number(const char *text)
{
	static const char *const words[] = {"", "nan", "NaN", "NAN", "NA", "N/A", "null"};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return false;
}

bool thaw_manifest_number(float *value, const char *text)
{
	char *end;
	*value = NAN;
	if (is_empty_number(text))
		return true;
	if (!strchr("+-.0123456789", text[0]) || strpbrk(text, "xXpP"))
		return false;
	double number = strtod(text, &end);
	while (*end == ' ')
		end++;
	*value = (float)number;
	return *end == '\0' && fabs(number) <= FLT_MAX;
}

/* As other programs write paths: with ./ before them, or, on Windows, with backslashes. */
static char *clean_path(struct manifest_rows *m, char *path)
{
	if (strchr(path, '\\') && !strchr(path, '/')) {
		m->backslashes++;
		for (char *c = path; *c; c++)
			*c = *c == '\\' ? '/' : *c;
	}
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

static thaw_status parse_split(struct manifest_row *row, const struct manifest_rows *m, const struct csv_record *record)
{
	row->split = THAW_SPLIT_TRAIN;
	if (m->columns.split < 0)
		return THAW_OK;
	const char *word = field_of(record, m->columns.split);
	int split = thaw_split_of_word(word);
	if (split < 0)
		return fail_row(m, record->line, "unknown split", word,
				"write train, val or test, or name another column with --split-column");
	row->split = (int8_t)split;
	return THAW_OK;
}

static thaw_status parse_weight(struct manifest_row *row, const struct manifest_rows *m,
				const struct csv_record *record)
{
	row->weight = 1;
	if (m->columns.weight < 0)
		return THAW_OK;
	const char *text = field_of(record, m->columns.weight);
	if (thaw_manifest_number(&row->weight, text) && row->weight > 0)
		return THAW_OK;
	return fail_row(m, record->line, "not a weight", text,
			"give a number above 0, remove the row, or name another column with --weight-column");
}

static thaw_status parse_numbers(float *number, const struct manifest_rows *m, const struct csv_record *record)
{
	for (int i = 0; i < m->columns.labels; i++) {
		const char *text = field_of(record, m->columns.label[i]);
		if (!thaw_manifest_number(&number[i], text))
			return fail_row(m, record->line, "not a number", text,
					m->columns.labels > 1 ? "several label columns are numbers, or 0 and 1"
							      : "--task value needs numbers, with a point");
	}
	return THAW_OK;
}

/* Makes room for one more row. */
static thaw_status grow_rows(struct manifest_rows *m)
{
	size_t width = m->numbers ? (size_t)m->columns.labels : 0;
	if (m->count < m->room)
		return THAW_OK;
	int64_t room = m->room == 0 ? FIRST_ROWS : m->room + m->room / 2;
	struct manifest_row *row = thaw_alloc((size_t)room, sizeof(*row));
	float *number = thaw_alloc((size_t)room, (width > 0 ? width : 1) * sizeof(*number));
	if (!row || !number) {
		thaw_free(row);
		thaw_free(number);
		return THAW_RESOURCE;
	}
	if (m->count > 0)
		memcpy(row, m->row, (size_t)m->count * sizeof(*row));
	if (m->count > 0 && width > 0)
		memcpy(number, m->number, (size_t)m->count * width * sizeof(*number));
	thaw_free(m->row);
	thaw_free(m->number);
	m->row = row;
	m->number = number;
	m->room = room;
	return THAW_OK;
}

static bool same_numbers(const float *a, const float *b, int count)
{
	for (int i = 0; i < count; i++)
		if (a[i] != b[i] && !(isnan(a[i]) && isnan(b[i])))
			return false;
	return true;
}

static thaw_status fail_repeat(const struct manifest_rows *m, int64_t first, int64_t line, const char *what)
{
	return thaw_fail(THAW_DATA, "one image with two %s: %s: lines %lld and %lld: %.200s: remove one of them", what,
			 m->file, (long long)m->row[first].line, (long long)line, thaw_manifest_row_path(m, first));
}

/* Row m->count, not added yet, has the path of the row `first`. */
static thaw_status merge_row(struct manifest_rows *m, int64_t first)
{
	struct manifest_row *a = &m->row[first];
	const struct manifest_row *b = &m->row[m->count];
	const int width = m->columns.labels;
	if (a->split != b->split)
		return fail_repeat(m, first, b->line, "splits");
	if (a->group != b->group)
		return fail_repeat(m, first, b->line, "groups");
	if (a->weight != b->weight)
		return fail_repeat(m, first, b->line, "weights");
	if (m->numbers && !same_numbers(m->number + first * width, m->number + m->count * width, width))
		return fail_repeat(m, first, b->line, "different labels");
	if (!m->numbers && *thaw_intern_text(&m->cells, a->cell) == '\0')
		a->cell = b->cell;
	if (m->numbers || a->cell == b->cell || *thaw_intern_text(&m->cells, b->cell) == '\0') {
		m->first_doubled = m->doubled++ == 0 ? b->line : m->first_doubled;
		return THAW_OK;
	}
	if (m->repeats == INT_MAX)
		return thaw_fail(THAW_DATA, "too many rows for the same images: %s: join labels with | instead",
				 m->file);
	struct manifest_repeat *grown = thaw_grow(m->repeat, m->repeats, sizeof(*grown));
	if (!grown)
		return THAW_RESOURCE;
	m->repeat = grown;
	grown[m->repeats++] = (struct manifest_repeat){first, b->cell, b->line};
	return THAW_OK;
}

static thaw_status parse_label(struct manifest_row *row, struct manifest_rows *m, const struct csv_record *record)
{
	if (m->numbers)
		return parse_numbers(m->number + m->count * m->columns.labels, m, record);
	THAW_TRY(thaw_intern(&m->cells, field_of(record, m->columns.label[0]), &row->cell));
	if (m->cells.count <= MANIFEST_LABELS_LIMIT)
		return THAW_OK;
	return fail_row(m, record->line, "more than 1000000 different labels", NULL, LABEL_HINT);
}

static thaw_status add_row(struct manifest_rows *m, const struct csv_record *record)
{
	int64_t number;
	if (record->count != m->columns.count)
		return thaw_fail(THAW_DATA,
				 "%d fields, the first line has %d: %s: line %lld: put fields with separators into "
				 "quotes",
				 record->count, m->columns.count, m->file, (long long)record->line);
	THAW_TRY(grow_rows(m));
	struct manifest_row *row = &m->row[m->count];
	*row = (struct manifest_row){.line = record->line};
	THAW_TRY(parse_split(row, m, record));
	THAW_TRY(parse_weight(row, m, record));
	THAW_TRY(parse_label(row, m, record));
	if (m->columns.group >= 0) {
		const char *group = field_of(record, m->columns.group);
		row->group = thaw_group_digest(group, strlen(group));
	}
	const char *path = clean_path(m, record->field[m->columns.path]);
	if (path[0] == '\0')
		return fail_row(m, record->line, "no path", NULL, "remove the row, or name the image");
	THAW_TRY(thaw_intern(&m->paths, path, &number));
	if (number < m->count)
		return merge_row(m, number);
	m->count++;
	return THAW_OK;
}

/* Numbers where several columns or the task say so. */
static thaw_status start(struct manifest_rows *m, const struct csv_record *header)
{
	const char *task = m->options->task;
	THAW_TRY(thaw_manifest_columns_find(&m->columns, header, m->options, m->file));
	m->numbers = m->columns.labels > 1 || (task && strcmp(task, "value") == 0);
	return THAW_OK;
}

static thaw_status visit(void *context, const struct csv_record *record)
{
	struct manifest_rows *m = context;
	return m->columns.name ? add_row(m, record) : start(m, record);
}

thaw_status thaw_manifest_rows_read(struct manifest_rows *m, const char *file,
				    const struct thaw_manifest_options *options)
{
	const struct csv_visitor visitor = {visit, m};
	m->file = file;
	m->options = options;
	THAW_TRY(thaw_csv_read(file, &visitor, &m->digest));
	if (m->count > 0)
		return THAW_OK;
	return thaw_fail(THAW_DATA,
			 "%s: %s: a manifest has a line with the names of columns, and a line for each image",
			 m->columns.name ? "no rows after the first line" : "an empty file", file);
}

void thaw_manifest_rows_free(struct manifest_rows *m)
{
	thaw_manifest_columns_free(&m->columns);
	thaw_intern_free(&m->paths);
	thaw_intern_free(&m->cells);
	thaw_free(m->row);
	thaw_free(m->number);
	thaw_free(m->repeat);
	*m = (struct manifest_rows){0};
}

const char *thaw_manifest_row_path(const struct manifest_rows *m, int64_t row)
{
	return thaw_intern_text(&m->paths, row);
}
