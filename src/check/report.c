#include "src/check/report.h"

#include <string.h>

#include "src/base/try.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

static bool is_unreadable(enum thaw_issue issue)
{
	return issue == THAW_ISSUE_DAMAGED || issue == THAW_ISSUE_EMPTY || issue == THAW_ISSUE_FOREIGN ||
	       issue == THAW_ISSUE_UNREADABLE;
}

static json_t *finding_json(const struct thaw_check_report *r, enum thaw_issue issue, const struct thaw_finding *f)
{
	const struct thaw_pool *p = r->pool;
	const struct thaw_image_facts *facts = &r->facts[f->image];
	json_t *o = json_object();
	thaw_describe_image(o, "", p, f->image);
	json_object_set_new(o, "score", json_real((double)f->score));
	if (f->other >= 0)
		thaw_describe_image(o, "other_", p, f->other);
	if (f->other >= 0)
		json_object_set_new(o, "conflict", json_boolean(thaw_labels_differ(p, f->image, f->other)));
	if (issue == THAW_ISSUE_EXACT && f->other >= 0)
		json_object_set_new(o, "same_bytes",
				    json_boolean(facts->bytes != 0 && facts->bytes == r->facts[f->other].bytes));
	if (f->suggested >= 0)
		json_object_set_new(o, "suggested", thaw_report_string(p->all.class_names[f->suggested]));
	if (is_unreadable(issue)) {
		char *why = thaw_reading_message(&p->all, f->image);
		json_object_set_new(o, "why", thaw_report_string(why ? why : ""));
		thaw_free(why);
	} else {
		json_object_set_new(o, "width", json_integer(facts->width));
		json_object_set_new(o, "height", json_integer(facts->height));
	}
	return o;
}

static json_t *issue_json(const struct thaw_check_report *r, enum thaw_issue issue)
{
	const struct thaw_issue_findings *f = &r->findings->issue[issue];
	const struct thaw_issue_words *w = &thaw_issue_words[issue];
	json_t *images = json_array();
	for (int64_t i = 0; i < f->count; i++)
		json_array_append_new(images, finding_json(r, issue, &f->finding[i]));
	return json_pack("{s:s, s:I, s:f, s:s, s:s, s:o}", "issue", w->name, "count", (json_int_t)f->count, "score",
			 f->score, "what", w->what, "advice", w->advice, "images", images);
}

static bool was_measured(const struct thaw_check_report *r, int issue)
{
	return issue == THAW_ISSUE_LABEL ? r->findings->labels : issue != THAW_ISSUE_OUTLIER || r->findings->model;
}

/* Fraction of the images without any flag of those that say that an image or its label is bad. */
static double sound_share(const struct thaw_check_report *r)
{
	int64_t flagged = 0;
	bool *bad = thaw_alloc((size_t)r->pool->all.count, sizeof(*bad));
	if (!bad)
		return 0.0;
	for (int k = 0; k <= THAW_ISSUE_BLANK; k++)
		for (int64_t i = 0; i < r->findings->issue[k].count; i++) {
			int64_t image = r->findings->issue[k].finding[i].image;
			flagged += !bad[image];
			bad[image] = true;
		}
	thaw_free(bad);
	return 1.0 - (double)flagged / (double)r->pool->all.count;
}

json_t *thaw_check_json(const struct thaw_check_report *r)
{
	json_t *issues = json_array();
	const char *place = thaw_dataset_place(r->options->data, &r->options->manifest);
	for (int k = 0; k < THAW_ISSUES; k++)
		if (was_measured(r, k))
			json_array_append_new(issues, issue_json(r, (enum thaw_issue)k));
	json_t *o = json_pack("{s:o, s:I, s:i, s:f, s:o, s:o, s:O}", "data", thaw_report_string(place), "images",
			      (json_int_t)r->pool->all.count, "classes", r->pool->all.classes, "sound", sound_share(r),
			      "issues", issues, "set", thaw_set_issues_json(r), "found", r->pool->found);
	if (o && r->findings->labels)
		json_object_set_new(o, "probe", json_real(r->findings->probe));
	if (o && r->findings->crowded > 0)
		json_object_set_new(o, "crowded", json_integer(r->findings->crowded));
	return o;
}
