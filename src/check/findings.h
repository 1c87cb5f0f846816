/* The issues of a dataset. Rank 0 has them. */
#ifndef THAW_SRC_CHECK_FINDINGS_H
#define THAW_SRC_CHECK_FINDINGS_H

#include "src/check/copies.h"
#include "src/check/facts.h"
#include "src/check/pool.h"

/* The issues of images, in the order of the report. */
enum thaw_issue {
	THAW_ISSUE_DAMAGED,
	THAW_ISSUE_EMPTY,
	THAW_ISSUE_FOREIGN,
	THAW_ISSUE_UNREADABLE,
	THAW_ISSUE_EXACT,
	THAW_ISSUE_NEAR,
	THAW_ISSUE_LABEL,
	THAW_ISSUE_OUTLIER,
	THAW_ISSUE_BLANK,
	THAW_ISSUE_MISNAMED,
	THAW_ISSUE_LARGE,
	THAW_ISSUE_TINY,
	THAW_ISSUE_SHAPE,
	THAW_ISSUE_CMYK,
	THAW_ISSUE_GREY,
	THAW_ISSUE_TURNED,
	THAW_ISSUE_DARK,
	THAW_ISSUE_BRIGHT,
	THAW_ISSUE_PLAIN,
	THAW_ISSUE_BLURRED,
	THAW_ISSUES,
	/* Those of the set, which --fail-on can name too. */
	THAW_ISSUE_LEAK = THAW_ISSUES, /* duplicates in training and held-out images */
	THAW_ISSUE_CONFLICT,           /* duplicates of different classes */
	THAW_ISSUE_GROUPS,             /* groups with images in two splits */
	THAW_ISSUE_GROUP_LEAK,         /* duplicates in different groups */
	THAW_ISSUE_CLASSES,            /* classes that a split lacks */
	THAW_ISSUE_IMBALANCE,
	THAW_ALL_ISSUES
};

/* An image is flagged if its score is below this. */
#define THAW_FLAG 0.5f

struct thaw_finding {
	int64_t image, other; /* other: of which it is a duplicate; -1: none */
	float score;          /* 0 .. 1, below THAW_FLAG */
	int suggested;        /* class that the label should perhaps be; -1: none */
};

struct thaw_issue_findings {
	struct thaw_finding *finding; /* [count] worst first */
	int64_t count, room;
	int64_t measured; /* images that have a score */
	double score;     /* mean over these; 1 if there is none */
};

struct thaw_findings {
	struct thaw_issue_findings issue[THAW_ISSUES];
	float *score[THAW_ISSUES]; /* [images] scores that do not follow from the facts of one image; NULL: they do.
				    * NaN: not measured */
	int64_t crowded;           /* images with more near duplicates than were compared */
	bool model;                /* outliers were looked for */
	bool labels;               /* and wrong labels */
	double probe;              /* accuracy of the probes */
};

/* What is usual in the set: an image is compared with it. */
struct thaw_usual {
	double pixels, short_side, aspect, information, sharpness; /* medians */
	bool colour;                                               /* most images have colours */
};

thaw_status thaw_usual_measure(struct thaw_usual *usual, const struct thaw_image_facts *facts, int64_t count);

/* The score of an image that follows from its facts: 0 .. 1, 1 is fine. NaN if the image cannot be read, except for the
 * issues that say so. */
float thaw_issue_score(enum thaw_issue issue, const struct thaw_image_facts *f, const struct thaw_usual *usual);

/* Whether thaw_issue_score gives the scores of the issue. */
bool thaw_issue_of_facts(enum thaw_issue issue);

/* Adds the flagged images of these issues, and the mean scores of all. */
thaw_status thaw_findings_of_facts(struct thaw_findings *f, const struct thaw_image_facts *facts,
				   const struct thaw_usual *usual, int64_t count);

/* Adds a finding; mean scores are set by thaw_findings_finish. */
thaw_status thaw_findings_add(struct thaw_findings *f, enum thaw_issue issue, const struct thaw_finding *finding);

/* Sorts the findings and sets the mean scores of f->score. */
void thaw_findings_finish(struct thaw_findings *f, int64_t count);
void thaw_findings_release(struct thaw_findings *f); /* zeroed is fine */

/* Of two images with the same picture, the one that stays: a test image, else a validation image, else the earlier one.
 */
bool thaw_stays(const struct thaw_pool *pool, int64_t image, int64_t other);

/* Images with the same pixels as another one that stays: copies of it. */
thaw_status thaw_exact_find(struct thaw_copies *exact, const struct thaw_image_facts *facts,
			    const struct thaw_pool *pool);

/* Adds the copies to the findings: of each pair the image that does not stay. */
thaw_status thaw_findings_of_copies(struct thaw_findings *f, enum thaw_issue issue, const struct thaw_copies *copies,
				    const struct thaw_pool *pool);

/* Whether two images have different classes, or different targets that are known of both. */
bool thaw_labels_differ(const struct thaw_pool *pool, int64_t a, int64_t b);

#endif
