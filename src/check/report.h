/* The result of a check: a JSON object, the list for --exclude, and the table of all scores. */
#ifndef THAW_SRC_CHECK_REPORT_H
#define THAW_SRC_CHECK_REPORT_H

#include <jansson.h>

#include "src/check/findings.h"
#include "thaw/check.h"

/* All that rank 0 knows at the end. */
struct thaw_check_report {
	const struct thaw_check_options *options;
	const struct thaw_pool *pool;
	const struct thaw_image_facts *facts; /* [pool->all.count] */
	const struct thaw_usual *usual;
	struct thaw_findings *findings;
};

/* The words and the meaning of an issue. */
struct thaw_issue_words {
	const char *name;   /* "exact-duplicate" */
	const char *what;   /* what such images are, one phrase */
	const char *advice; /* what to do, one sentence */
};
extern const struct thaw_issue_words thaw_issue_words[THAW_ALL_ISSUES];

/* Adds the name, split and class of an image, each key with the prefix. */
void thaw_describe_image(json_t *o, const char *prefix, const struct thaw_pool *p, int64_t image);

/* Issues of the whole set: {issue, count, score, what, advice, ...}. A new reference; NULL without memory. */
json_t *thaw_set_issues_json(const struct thaw_check_report *r);

/* The whole result. NULL without memory. */
json_t *thaw_check_json(const struct thaw_check_report *r);

/* Writes the list for --exclude to options->out. *listed: its images. */
thaw_status thaw_check_write_list(const struct thaw_check_report *r, int64_t *listed);

/* Writes options->scores: tab-separated, a line per image. */
thaw_status thaw_check_write_scores(const struct thaw_check_report *r);

#endif
