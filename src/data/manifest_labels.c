/* The task follows from the labels where they are clear; it is said, and --task decides otherwise. */
#include "src/data/manifest_labels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

#define UNCLEAR THAW_TASKS
#define LONGEST 255 /* bytes of the name of a class, as of a folder */

/* While the labels are looked at. */
struct decision {
	struct manifest_labels *l;
	const struct manifest_rows *m;
	const char *column;  /* name of the first label column */
	char separator;      /* between the labels of a cell; 0: none */
	struct intern words; /* of LABELS */
	int64_t *word;       /* [room] numbers of the words of all cells, one after the other */
	int64_t word_count, room;
};

static thaw_status find_task(enum thaw_task *task, const struct manifest_rows *m)
{
	const char *given = m->options->task;
	bool grades = m->options->grades != NULL;
	*task = grades ? THAW_TASK_GRADE : UNCLEAR;
	if (!given)
		return THAW_OK;
	*task = thaw_task_find(given);
	if (grades && *task < THAW_TASKS && *task != THAW_TASK_GRADE)
		return thaw_fail(THAW_USAGE, "grades of the task \"%s\": --grades: give --task grade", given);
	if (*task < THAW_TASKS)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "unknown task: --task %s: give class, labels, grade or value", given);
}

/* The first row of a cell, for messages. */
static int64_t line_of_cell(const struct manifest_rows *m, int64_t cell)
{
	for (int64_t i = 0; i < m->count; i++)
		if (m->row[i].cell == cell)
			return m->row[i].line;
	return 0;
}

/* ---- Several columns ------------------------------------------------------------------------------------------ */

/* The first number other than 0, 1 and -1 (unknown); -1: there is none. */
static int64_t find_other_number(const struct manifest_rows *m)
{
	const int64_t count = m->count * m->columns.labels;
	for (int64_t i = 0; i < count; i++)
		if (!isnan(m->number[i]) && m->number[i] != 0 && m->number[i] != 1 && m->number[i] != -1)
			return i;
	return -1;
}

static thaw_status name_columns(struct decision *d)
{
	const struct manifest_columns *c = &d->m->columns;
	for (int i = 0; i < c->labels; i++)
		THAW_TRY(thaw_names_add(&d->l->classes, thaw_strdup(c->name[c->label[i]])));
	return THAW_OK;
}

/* Columns of 0 and 1, one of which has 1. */
static thaw_status read_one_hot(struct decision *d)
{
	const struct manifest_rows *m = d->m;
	const int width = m->columns.labels;
	if (!(d->l->label = thaw_alloc((size_t)m->count, sizeof(*d->l->label))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < m->count; i++) {
		int ones = 0, known = 0;
		d->l->label[i] = -1;
		for (int k = 0; k < width; k++) {
			float n = m->number[i * width + k];
			known += !isnan(n);
			ones += n == 1;
			if (n == 1)
				d->l->label[i] = k;
		}
		if (known > 0 && ones != 1)
			return thaw_fail(
				THAW_DATA,
				"an image of %d classes: %s: line %lld: --task class needs one column with 1 in "
				"each row; else give --task labels",
				ones, m->file, (long long)m->row[i].line);
	}
	return THAW_OK;
}

static thaw_status decide_columns(struct decision *d, enum thaw_task task)
{
	const struct manifest_rows *m = d->m;
	const int width = m->columns.labels;
	int64_t other = task == THAW_TASK_VALUE ? -1 : find_other_number(m);
	if (task == THAW_TASK_GRADE)
		return thaw_fail(THAW_USAGE, "several columns of grades: --label-column: name one");
	if (other >= 0)
		return thaw_fail(
			task == UNCLEAR ? THAW_CONFIG : THAW_DATA,
			"label %g in column \"%s\": %s: line %lld: labels in several columns are 0 or 1, empty or -1 "
			"if unknown; for numbers give --task value",
			m->number[other], m->columns.name[m->columns.label[other % width]], m->file,
			(long long)m->row[other / width].line);
	d->l->task = task == UNCLEAR ? THAW_TASK_LABELS : task;
	THAW_TRY(name_columns(d));
	return task == THAW_TASK_CLASS ? read_one_hot(d) : THAW_OK;
}

/* ---- One column ----------------------------------------------------------------------------------------------- */

/* Calls `add` for each label of a cell. */
static thaw_status split_cell(struct decision *d, const char *cell,
			      thaw_status (*add)(struct decision *d, const char *word))
{
	char *copy = thaw_strdup(cell), *next = copy;
	thaw_status status = copy ? THAW_OK : THAW_RESOURCE;
	while (next && status == THAW_OK) {
		char *word = next, *end = d->separator ? strchr(next, d->separator) : NULL;
		next = end ? end + 1 : NULL;
		end = end ? end : word + strlen(word);
		while (*word == ' ')
			word++;
		while (end > word && end[-1] == ' ')
			end--;
		*end = '\0';
		if (*word)
			status = add(d, word);
	}
	thaw_free(copy);
	return status;
}

static thaw_status add_word(struct decision *d, const char *word)
{
	if (d->word_count == d->room) {
		int64_t room = d->room == 0 ? 64 : 2 * d->room;
		int64_t *larger = thaw_alloc((size_t)room, sizeof(*larger));
		if (!larger)
			return THAW_RESOURCE;
		if (d->word_count > 0)
			memcpy(larger, d->word, (size_t)d->word_count * sizeof(*larger));
		thaw_free(d->word);
		d->word = larger;
		d->room = room;
	}
	return thaw_intern(&d->words, word, &d->word[d->word_count++]);
}

static bool any_cell_has(const struct manifest_rows *m, char c)
{
	for (int64_t i = 0; i < m->cells.count; i++)
		if (strchr(thaw_intern_text(&m->cells, i), c))
			return true;
	return false;
}

static thaw_status find_separator(struct decision *d)
{
	const char *given = d->m->options->label_separator;
	if (given && strlen(given) != 1)
		return thaw_fail(THAW_USAGE,
				 "not one character: --label-separator \"%s\": give the one between labels, such "
				 "as |",
				 given);
	d->separator = given ? given[0] : any_cell_has(d->m, '|') ? '|' : any_cell_has(d->m, ';') ? ';' : '\0';
	return THAW_OK;
}

/* Adds the texts of `from`, other than "", as names of classes, sorted. */
static thaw_status sort_classes(struct decision *d, const struct intern *from)
{
	for (int64_t i = 0; i < from->count; i++) {
		const char *text = thaw_intern_text(from, i);
		if (strlen(text) > LONGEST)
			return thaw_fail(THAW_DATA,
					 "a label of %zu bytes, \"%.40s...\": %s: column \"%s\": a name of a class has "
					 "at most %d: name the column of labels with --label-column",
					 strlen(text), text, d->m->file, d->column, LONGEST);
		if (*text)
			THAW_TRY(thaw_names_add(&d->l->classes, thaw_strdup(text)));
	}
	thaw_names_sort(&d->l->classes, 0);
	return THAW_OK;
}

/* *number[from->count]: the position of each text in `classes`; -1: it is not there. */
static thaw_status number_classes(int32_t **number, const struct names *classes, const struct intern *from)
{
	if (!(*number = thaw_alloc((size_t)from->count, sizeof(**number))))
		return THAW_RESOURCE;
	for (int64_t i = 0; i < from->count; i++)
		(*number)[i] = -1;
	for (int64_t c = 0; c < classes->count; c++) {
		int64_t i = thaw_intern_find(from, classes->name[c]);
		if (i >= 0)
			(*number)[i] = (int32_t)c;
	}
	return THAW_OK;
}

static thaw_status decide_labels(struct decision *d)
{
	const struct manifest_rows *m = d->m;
	struct manifest_labels *l = d->l;
	int32_t *number = NULL;
	l->start = thaw_alloc((size_t)m->cells.count + 1, sizeof(*l->start));
	if (!l->start)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < m->cells.count; i++) {
		THAW_TRY(split_cell(d, thaw_intern_text(&m->cells, i), add_word));
		l->start[i + 1] = d->word_count;
	}
	if (d->words.count > MANIFEST_LABELS_LIMIT || d->words.count == 0)
		return thaw_fail(THAW_DATA, "%lld different labels: %s: check the column \"%s\"",
				 (long long)d->words.count, m->file, d->column);
	THAW_TRY(sort_classes(d, &d->words));
	THAW_TRY(number_classes(&number, &l->classes, &d->words));
	l->class = thaw_alloc((size_t)d->word_count, sizeof(*l->class));
	for (int64_t i = 0; l->class && i < d->word_count; i++)
		l->class[i] = number[d->word[i]];
	thaw_free(number);
	return l->class ? THAW_OK : THAW_RESOURCE;
}

static thaw_status fail_repeats(const struct manifest_rows *m)
{
	const struct manifest_repeat *r = &m->repeat[0];
	return thaw_fail(
		THAW_DATA,
		"one image with two labels, \"%.60s\" and \"%.60s\": %s: lines %lld and %lld: %.200s: remove one, or "
		"give --task labels if images have several",
		thaw_intern_text(&m->cells, m->row[r->row].cell), thaw_intern_text(&m->cells, r->cell), m->file,
		(long long)m->row[r->row].line, (long long)r->line, thaw_manifest_row_path(m, r->row));
}

/* Sets label[rows] from the classes. */
static thaw_status label_rows(struct decision *d)
{
	const struct manifest_rows *m = d->m;
	int32_t *number;
	if (m->repeats > 0)
		return fail_repeats(m);
	THAW_TRY(number_classes(&number, &d->l->classes, &m->cells));
	d->l->label = thaw_alloc((size_t)m->count, sizeof(*d->l->label));
	for (int64_t i = 0; d->l->label && i < m->count; i++)
		d->l->label[i] = number[m->row[i].cell];
	thaw_free(number);
	return d->l->label ? THAW_OK : THAW_RESOURCE;
}

static int compare_numbers(const void *a, const void *b)
{
	double x = strtod(*(char *const *)a, NULL), y = strtod(*(char *const *)b, NULL);
	return (x > y) - (x < y);
}

/* Grades that are numbers, in their order. */
static thaw_status order_numbers(struct decision *d)
{
	struct names *classes = &d->l->classes;
	float value;
	THAW_TRY(sort_classes(d, &d->m->cells));
	for (int64_t i = 0; i < classes->count; i++)
		if (!thaw_manifest_number(&value, classes->name[i]) || isnan(value))
			return thaw_fail(
				THAW_CONFIG,
				"grade \"%s\" is not a number: %s: line %lld: give the order of the grades, from the "
				"lowest to the highest, as in --grades none,mild,severe",
				classes->name[i], d->m->file,
				(long long)line_of_cell(d->m, thaw_intern_find(&d->m->cells, classes->name[i])));
	if (classes->count > 1)
		qsort(classes->name, (size_t)classes->count, sizeof(char *), compare_numbers);
	for (int64_t i = 1; i < classes->count; i++)
		if (compare_numbers(&classes->name[i - 1], &classes->name[i]) == 0)
			return thaw_fail(THAW_DATA, "grades \"%s\" and \"%s\": %s: write equal numbers alike",
					 classes->name[i - 1], classes->name[i], d->m->file);
	return THAW_OK;
}

static thaw_status add_grade(void *context, const char *word)
{
	struct names *classes = context;
	if (*word == '\0')
		return thaw_fail(THAW_USAGE, "an empty grade: --grades: separate grades by single commas");
	for (int64_t i = 0; i < classes->count; i++)
		if (strcmp(classes->name[i], word) == 0)
			return thaw_fail(THAW_USAGE, "a grade twice: --grades: \"%s\"", word);
	return thaw_names_add(classes, thaw_strdup(word));
}

static thaw_status decide_grades(struct decision *d)
{
	const struct manifest_rows *m = d->m;
	if (!m->options->grades) {
		THAW_TRY(order_numbers(d));
		return label_rows(d);
	}
	THAW_TRY(thaw_split_list(m->options->grades, add_grade, &d->l->classes));
	THAW_TRY(label_rows(d));
	for (int64_t i = 0; i < m->count; i++)
		if (d->l->label[i] < 0 && *thaw_intern_text(&m->cells, m->row[i].cell))
			return thaw_fail(THAW_DATA,
					 "grade \"%.80s\" is not one of --grades %.200s: %s: line %lld: add it",
					 thaw_intern_text(&m->cells, m->row[i].cell), m->options->grades, m->file,
					 (long long)m->row[i].line);
	return THAW_OK;
}

/* Numbers that are not whole are hardly names of classes. */
static thaw_status check_names(const struct decision *d)
{
	const struct manifest_rows *m = d->m;
	int64_t broken = -1;
	for (int64_t i = 0; i < m->cells.count; i++) {
		float value;
		if (!thaw_manifest_number(&value, thaw_intern_text(&m->cells, i)))
			return THAW_OK;
		if (!isnan(value) && value != floorf(value))
			broken = i;
	}
	if (broken < 0)
		return THAW_OK;
	return thaw_fail(
		THAW_CONFIG,
		"labels are numbers such as %s: %s: column \"%s\": give --task value to learn numbers, or --task "
		"class if each is a class",
		thaw_intern_text(&m->cells, broken), m->file, d->column);
}

static thaw_status decide_column(struct decision *d, enum thaw_task task)
{
	THAW_TRY(find_separator(d));
	if (task == UNCLEAR)
		task = d->separator ? THAW_TASK_LABELS : THAW_TASK_CLASS;
	if (!d->m->options->task && task == THAW_TASK_CLASS)
		THAW_TRY(check_names(d));
	d->l->task = task;
	if (task == THAW_TASK_LABELS)
		return decide_labels(d);
	if (task == THAW_TASK_GRADE)
		return decide_grades(d);
	THAW_TRY(sort_classes(d, &d->m->cells));
	return label_rows(d);
}

/* ---- Both ----------------------------------------------------------------------------------------------------- */

static thaw_status explain(struct decision *d)
{
	const char *name = thaw_task_name(d->l->task);
	if (d->m->options->task || d->m->options->grades)
		d->l->why = thaw_format("task \"%s\", as given", name);
	else if (d->m->numbers)
		d->l->why = thaw_format("task \"%s\": several columns of 0 and 1", name);
	else if (d->l->task == THAW_TASK_LABELS)
		d->l->why =
			thaw_format("task \"%s\": labels of \"%s\" are joined by %c", name, d->column, d->separator);
	else
		d->l->why = thaw_format("task \"%s\"", name);
	return d->l->why ? THAW_OK : THAW_RESOURCE;
}

thaw_status thaw_manifest_labels_find(struct manifest_labels *l, const struct manifest_rows *m)
{
	enum thaw_task task;
	struct decision d = {.l = l, .m = m, .column = m->columns.name[m->columns.label[0]]};
	THAW_TRY(find_task(&task, m));
	thaw_status status = m->numbers ? decide_columns(&d, task) : decide_column(&d, task);
	thaw_intern_free(&d.words);
	thaw_free(d.word);
	return status == THAW_OK ? explain(&d) : status;
}

void thaw_manifest_labels_free(struct manifest_labels *l)
{
	thaw_names_free(&l->classes);
	thaw_free(l->label);
	thaw_free(l->start);
	thaw_free(l->class);
	thaw_free(l->why);
	*l = (struct manifest_labels){0};
}

bool thaw_manifest_has_label(const struct manifest_labels *l, const struct manifest_rows *m, int64_t row)
{
	const int width = m->columns.labels;
	if (l->label)
		return l->label[row] >= 0;
	if (!m->numbers)
		return *thaw_intern_text(&m->cells, m->row[row].cell) != '\0';
	for (int k = 0; k < width; k++)
		if (!isnan(m->number[row * width + k]))
			return true;
	return false;
}

static void set_labels(float *targets, const struct manifest_labels *l, int64_t cell)
{
	for (int64_t k = l->start[cell]; k < l->start[cell + 1]; k++)
		targets[l->class[k]] = 1;
}

static int compare_rows(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

void thaw_manifest_targets(float *targets, const struct manifest_labels *l, const struct manifest_rows *m,
			   const int64_t *rows, int64_t count)
{
	const int64_t classes = l->classes.count;
	for (int64_t i = 0; i < count && !m->numbers; i++)
		set_labels(targets + i * classes, l, m->row[rows[i]].cell);
	for (int r = 0; r < m->repeats && !m->numbers; r++) {
		const int64_t *at = bsearch(&m->repeat[r].row, rows, (size_t)count, sizeof(*rows), compare_rows);
		if (at)
			set_labels(targets + (at - rows) * classes, l, m->repeat[r].cell);
	}
	for (int64_t i = 0; i < count && m->numbers; i++)
		for (int64_t k = 0; k < classes; k++) {
			float n = m->number[rows[i] * classes + k];
			targets[i * classes + k] = l->task == THAW_TASK_LABELS && n == -1 ? NAN : n;
		}
}
