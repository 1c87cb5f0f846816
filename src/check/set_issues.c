/* Issues of the whole set. */
#include "src/check/report.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "thaw/found.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define IMBALANCED 10.0 /* images of the largest class for one of the smallest */

static json_t *issue_json(enum thaw_issue issue, int64_t count, double score)
{
	const struct thaw_issue_words *w = &thaw_issue_words[issue];
	return json_pack("{s:s, s:I, s:f, s:s, s:s}", "issue", w->name, "count", (json_int_t)count, "score", score,
			 "what", w->what, "advice", w->advice);
}

/* Duplicates for which `is` holds. */
static int64_t count_copies(const struct thaw_check_report *r, enum thaw_issue issue,
			    bool (*is)(const struct thaw_pool *, int64_t, int64_t))
{
	const struct thaw_issue_findings *f = &r->findings->issue[issue];
	int64_t n = 0;
	for (int64_t i = 0; i < f->count; i++)
		n += is(r->pool, f->finding[i].image, f->finding[i].other);
	return n;
}

static bool across_splits(const struct thaw_pool *pool, int64_t a, int64_t b)
{
	return thaw_pool_part(pool, a) != thaw_pool_part(pool, b);
}

static bool across_groups(const struct thaw_pool *pool, int64_t a, int64_t b)
{
	uint64_t group = thaw_pool_group(pool, a);
	return group == 0 || group != thaw_pool_group(pool, b);
}

/* Duplicates of a kind; of how many is said separately for exact and near ones. */
static json_t *copies_json(const struct thaw_check_report *r, enum thaw_issue issue,
			   bool (*is)(const struct thaw_pool *, int64_t, int64_t))
{
	int64_t exact = count_copies(r, THAW_ISSUE_EXACT, is), near = count_copies(r, THAW_ISSUE_NEAR, is);
	json_t *o = issue_json(issue, exact + near, 1.0 - (double)(exact + near) / (double)r->pool->all.count);
	json_object_set_new(o, "exact", json_integer(exact));
	json_object_set_new(o, "near", json_integer(near));
	return o;
}

struct member {
	uint64_t group;
	int part;
	int64_t image;
};

static int by_group_and_part(const void *a, const void *b)
{
	const struct member *x = a, *y = b;
	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	if (x->part != y->part)
		return x->part - y->part;
	return (x->image > y->image) - (x->image < y->image);
}

/* The group and the part of each image that has a group. Returns their number. */
static int64_t list_members(const struct thaw_pool *p, struct member *member)
{
	int64_t n = 0;
	for (int64_t i = 0; i < p->all.count; i++) {
		uint64_t group = thaw_pool_group(p, i);
		if (group != 0)
			member[n++] = (struct member){group, thaw_pool_part(p, i), i};
	}
	return n;
}

/* {"image", "split", "other_image", "other_split"}: the first and the last image of a group. */
static json_t *shared_json(const struct thaw_check_report *r, const struct member *first, const struct member *last)
{
	json_t *o = json_object();
	thaw_describe_image(o, "", r->pool, first->image);
	thaw_describe_image(o, "other_", r->pool, last->image);
	return o;
}

/* Groups with images in more than one split; NULL without memory. */
static json_t *groups_json(const struct thaw_check_report *r)
{
	struct member *member = thaw_alloc((size_t)r->pool->all.count, sizeof(*member));
	if (!member)
		return NULL;
	json_t *shared = json_array(), *o;
	int64_t n = list_members(r->pool, member), groups = 0;
	qsort(member, (size_t)n, sizeof(*member), by_group_and_part);
	for (int64_t i = 0, end; i < n; i = end) {
		for (end = i; end < n && member[end].group == member[i].group;)
			end++;
		groups++;
		if (member[end - 1].part != member[i].part)
			json_array_append_new(shared, shared_json(r, &member[i], &member[end - 1]));
	}
	thaw_free(member);
	double count = (double)json_array_size(shared);
	o = issue_json(THAW_ISSUE_GROUPS, (int64_t)count, groups > 0 ? 1.0 - count / (double)groups : 1.0);
	json_object_set_new(o, "shared", shared);
	return o;
}

/* Classes that one split has images of and another one has not. A random split has the same classes by definition. */
static json_t *classes_json(const struct thaw_check_report *r)
{
	const struct thaw_pool *p = r->pool;
	bool *has = thaw_alloc((size_t)p->all.classes * THAW_POOL_SPLITS, sizeof(*has));
	if (!has)
		return NULL;
	json_t *lacking = json_array(), *o;
	for (int64_t i = 0; i < p->all.count; i++)
		has[p->all.labels[i] * THAW_POOL_SPLITS + thaw_pool_part(p, i)] = true;
	for (int c = 0; c < p->all.classes; c++)
		for (int s = 0; s < THAW_POOL_SPLITS; s++) {
			const struct thaw_dataset *d = &p->part[s];
			if (d->count > 0 && !d->found->held_out && !has[c * THAW_POOL_SPLITS + s])
				json_array_append_new(lacking, json_pack("{s:o, s:s}", "class",
									 thaw_report_string(p->all.class_names[c]),
									 "split", thaw_dataset_kind(d)));
		}
	thaw_free(has);
	o = issue_json(THAW_ISSUE_CLASSES, (int64_t)json_array_size(lacking),
		       json_array_size(lacking) == 0 ? 1.0 : 0.0);
	json_object_set_new(o, "lacking", lacking);
	return o;
}

/* Of the training images, else of all. */
static json_t *imbalance_json(const struct thaw_check_report *r)
{
	const struct thaw_pool *p = r->pool;
	const int64_t end = p->first[1] > 0 ? p->first[1] : p->all.count;
	int64_t *size = thaw_alloc((size_t)p->all.classes, sizeof(*size));
	int least = -1, most = -1, small = 0;
	if (!size)
		return NULL;
	for (int64_t i = 0; i < end; i++)
		size[p->all.labels[i]]++;
	for (int c = 0; c < p->all.classes; c++) {
		if (size[c] > 0 && (least < 0 || size[c] < size[least]))
			least = c;
		if (most < 0 || size[c] > size[most])
			most = c;
	}
	const double ratio = least >= 0 ? (double)size[most] / (double)size[least] : 1.0;
	for (int c = 0; c < p->all.classes; c++)
		small += size[c] > 0 && (double)size[most] >= IMBALANCED * (double)size[c];
	json_t *o = issue_json(THAW_ISSUE_IMBALANCE, small, min_double(1.0, IMBALANCED / (2 * ratio)));
	if (o && least >= 0) {
		json_object_set_new(o, "ratio", json_real(ratio));
		json_object_set_new(o, "largest", thaw_report_string(p->all.class_names[most]));
		json_object_set_new(o, "largest_images", json_integer(size[most]));
		json_object_set_new(o, "smallest", thaw_report_string(p->all.class_names[least]));
		json_object_set_new(o, "smallest_images", json_integer(size[least]));
	}
	thaw_free(size);
	return o;
}

static bool has_groups(const struct thaw_pool *p)
{
	return p->part[0].groups || p->part[1].groups || p->part[2].groups;
}

json_t *thaw_set_issues_json(const struct thaw_check_report *r)
{
	const bool single = r->pool->all.task == THAW_TASK_CLASS || r->pool->all.task == THAW_TASK_GRADE;
	json_t *issues = json_array();
	json_array_append_new(issues, copies_json(r, THAW_ISSUE_LEAK, across_splits));
	json_array_append_new(issues, groups_json(r));
	if (has_groups(r->pool))
		json_array_append_new(issues, copies_json(r, THAW_ISSUE_GROUP_LEAK, across_groups));
	json_array_append_new(issues, copies_json(r, THAW_ISSUE_CONFLICT, thaw_labels_differ));
	if (single) {
		json_array_append_new(issues, classes_json(r));
		json_array_append_new(issues, imbalance_json(r));
	}
	return issues;
}
