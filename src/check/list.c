/* The files of a check: the list for --exclude and the table of scores. */
#include "src/check/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/exclude.h"
#include "thaw/file.h"
#include "thaw/found.h"
#include "thaw/memory.h"

#define NAME_SIZE 4096

/* What is done with an image in the list. */
enum listing { NOT_LISTED, LISTED, COMMENTED };

static const char head[] = "# Images to leave out, for --exclude: a name on each line, then a tab and the reason. "
			   "Lines that begin with #\n"
			   "# are ignored: remove the # and the space before a name to leave that image out too.\n";

static char *escaped_name(const struct thaw_pool *p, int64_t image)
{
	char name[NAME_SIZE];
	p->all.name(&p->all, image, name, sizeof(name));
	return thaw_exclude_escape(name);
}

static thaw_status put(struct thaw_sink *s, const char *text)
{
	return s->write(s, text, strlen(text));
}

static thaw_status write_line(struct thaw_sink *s, const struct thaw_pool *p, int64_t image, bool comment,
			      const char *reason, int64_t other)
{
	char *name = escaped_name(p, image), *second = other >= 0 ? escaped_name(p, other) : NULL;
	char *line = name && (second || other < 0) ? thaw_format("%s%s\t%s%s%s\n", comment ? "# " : "", name, reason,
								 second ? " of " : "", second ? second : "")
						   : NULL;
	thaw_status status = line ? put(s, line) : THAW_RESOURCE;
	thaw_free(name);
	thaw_free(second);
	thaw_free(line);
	return status;
}

static enum listing choose(enum thaw_issue issue)
{
	switch (issue) {
	case THAW_ISSUE_DAMAGED:
	case THAW_ISSUE_EMPTY:
	case THAW_ISSUE_FOREIGN:
	case THAW_ISSUE_UNREADABLE:
	case THAW_ISSUE_EXACT:
	case THAW_ISSUE_NEAR:
	case THAW_ISSUE_BLANK:
		return LISTED;
	case THAW_ISSUE_LABEL:
	case THAW_ISSUE_OUTLIER:
		return COMMENTED;
	default:
		return NOT_LISTED;
	}
}

struct writing {
	const struct thaw_check_report *r;
	struct thaw_sink *sink;
	bool *done; /* [images] listed already */
	int64_t listed;
};

static thaw_status list_image(struct writing *w, int64_t image, bool comment, const char *reason, int64_t other)
{
	if (w->done[image])
		return THAW_OK;
	w->done[image] = true;
	w->listed += !comment;
	return write_line(w->sink, w->r->pool, image, comment, reason, other);
}

/* The same picture with two labels in one split: nothing says which label is right. Exact duplicates are both left out;
 * near ones may be two things that look alike. */
static thaw_status list_conflict(struct writing *w, enum thaw_issue issue, const struct thaw_finding *f)
{
	const struct thaw_pool *p = w->r->pool;
	if (f->other < 0 || !thaw_labels_differ(p, f->image, f->other))
		return THAW_OK;
	bool same_split = thaw_pool_part(p, f->image) == thaw_pool_part(p, f->other);
	bool comment = !same_split || issue == THAW_ISSUE_NEAR;
	const char *reason =
		p->all.task == THAW_TASK_CLASS ? "duplicate, in another class," : "duplicate, with another label,";
	if (same_split)
		THAW_TRY(list_image(w, f->image, comment, reason, f->other));
	return list_image(w, f->other, comment, reason, f->image);
}

static thaw_status list_issue(struct writing *w, enum thaw_issue issue, bool conflicts)
{
	const struct thaw_issue_findings *f = &w->r->findings->issue[issue];
	bool copies = issue == THAW_ISSUE_EXACT || issue == THAW_ISSUE_NEAR;
	for (int64_t i = 0; i < f->count && choose(issue) != NOT_LISTED; i++) {
		const struct thaw_finding *finding = &f->finding[i];
		if (conflicts && copies)
			THAW_TRY(list_conflict(w, issue, finding));
		else if (!conflicts)
			THAW_TRY(list_image(w, finding->image, choose(issue) == COMMENTED, thaw_issue_words[issue].name,
					    finding->other));
	}
	return THAW_OK;
}

static thaw_status write_list(struct writing *w)
{
	THAW_TRY(put(w->sink, head));
	for (int k = 0; k < THAW_ISSUES; k++)
		THAW_TRY(list_issue(w, (enum thaw_issue)k, true));
	for (int k = 0; k < THAW_ISSUES; k++)
		THAW_TRY(list_issue(w, (enum thaw_issue)k, false));
	return THAW_OK;
}

thaw_status thaw_check_write_list(const struct thaw_check_report *r, int64_t *listed)
{
	struct thaw_file_writer *file;
	struct writing w = {.r = r, .done = thaw_alloc((size_t)r->pool->all.count, sizeof(bool))};
	thaw_status status = w.done ? thaw_file_writer_open(&file, r->options->out) : THAW_RESOURCE;
	if (status == THAW_OK) {
		w.sink = thaw_file_writer_sink(file);
		status = write_list(&w);
		if (status == THAW_OK)
			status = thaw_file_writer_commit(file);
		else
			thaw_file_writer_discard(file);
	}
	thaw_free(w.done);
	*listed = w.listed;
	return status;
}

static float score_of(const struct thaw_check_report *r, int issue, int64_t image)
{
	if (thaw_issue_of_facts((enum thaw_issue)issue))
		return thaw_issue_score((enum thaw_issue)issue, &r->facts[image], r->usual);
	return r->findings->score[issue] ? r->findings->score[issue][image] : NAN;
}

static thaw_status write_scores(const struct thaw_check_report *r, struct thaw_sink *s)
{
	char text[32];
	const struct thaw_pool *p = r->pool;
	THAW_TRY(put(s, "image\tsplit"));
	for (int k = 0; k < THAW_ISSUES; k++) {
		THAW_TRY(put(s, "\t"));
		THAW_TRY(put(s, thaw_issue_words[k].name));
	}
	for (int64_t i = 0; i < p->all.count; i++) {
		char *name = escaped_name(p, i);
		char *line =
			name ? thaw_format("\n%s\t%s", name, thaw_dataset_kind(&p->part[thaw_pool_part(p, i)])) : NULL;
		thaw_status status = line ? put(s, line) : THAW_RESOURCE;
		thaw_free(name);
		thaw_free(line);
		THAW_TRY(status);
		for (int k = 0; k < THAW_ISSUES; k++) {
			float score = score_of(r, k, i);
			if (isnan(score))
				snprintf(text, sizeof(text), "\t");
			else
				snprintf(text, sizeof(text), "\t%.4g", (double)score);
			THAW_TRY(put(s, text));
		}
	}
	return put(s, "\n");
}

thaw_status thaw_check_write_scores(const struct thaw_check_report *r)
{
	struct thaw_file_writer *file;
	THAW_TRY(thaw_file_writer_open(&file, r->options->scores));
	thaw_status status = write_scores(r, thaw_file_writer_sink(file));
	if (status == THAW_OK)
		return thaw_file_writer_commit(file);
	thaw_file_writer_discard(file);
	return status;
}
