/* Issues of one image by itself. A score of THAW_FLAG is at the limit: half of what is asked, or twice what is allowed,
 * so that scores of different issues can be compared. */
#include <math.h>
#include <stdlib.h>

#include "src/base/compare.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/check/findings.h"
#include "thaw/memory.h"

/* Limits, as values or in relation to what is usual in the set. */
#define LARGE_PIXELS   5e7 /* an image of 50 million pixels takes 150 MB when it is decoded */
#define LARGE_FACTOR   64.0
#define TINY_SIDE      8.0 /* pixels */
#define TINY_FACTOR    0.25
#define SHAPE_ASPECT   3.0 /* longer by shorter side */
#define SHAPE_FACTOR   2.0
#define DARK_LEVEL     0.15 /* of the brightest pixels but 1 % */
#define BRIGHT_LEVEL   0.08 /* below white, of the darkest pixels but 5 % */
#define BLANK_CONTRAST 0.01
#define PLAIN_FACTOR   0.4
#define BLUR_FACTOR    0.35
#define FEW_GREY       0.1 /* grey images stand out if no more than this fraction is grey */

static double median(double *values, int64_t count)
{
	if (count == 0)
		return 0.0;
	qsort(values, (size_t)count, sizeof(*values), compare_double);
	return values[count / 2];
}

static double short_side(const struct thaw_image_facts *f)
{
	return min_int(f->width, f->height);
}

static double pixels(const struct thaw_image_facts *f)
{
	return (double)f->width * f->height;
}

static double aspect(const struct thaw_image_facts *f)
{
	return max_int(f->width, f->height) / short_side(f);
}

static double information(const struct thaw_image_facts *f)
{
	return (double)f->information;
}

static double sharpness(const struct thaw_image_facts *f)
{
	return (double)f->sharpness;
}

thaw_status thaw_usual_measure(struct thaw_usual *usual, const struct thaw_image_facts *facts, int64_t count)
{
	static double (*const measures[])(const struct thaw_image_facts *) = {pixels, short_side, aspect, information,
									      sharpness};
	double *results[] = {&usual->pixels, &usual->short_side, &usual->aspect, &usual->information,
			     &usual->sharpness};
	double *values = thaw_alloc((size_t)count, sizeof(*values));
	int64_t read = 0, grey = 0;
	if (!values)
		return THAW_RESOURCE;
	for (size_t m = 0; m < sizeof(measures) / sizeof(*measures); m++) {
		read = 0;
		for (int64_t i = 0; i < count; i++)
			if (facts[i].reading == THAW_READ)
				values[read++] = measures[m](&facts[i]);
		*results[m] = median(values, read);
	}
	for (int64_t i = 0; i < count; i++)
		grey += facts[i].reading == THAW_READ && facts[i].grey;
	usual->colour = (double)grey <= FEW_GREY * (double)read;
	thaw_free(values);
	return THAW_OK;
}

/* `value` should be at least `limit`. */
static float at_least(double value, double limit)
{
	return limit > 0 ? (float)fmin(1.0, value / (2 * limit)) : 1.0f;
}

static float at_most(double value, double limit)
{
	return value > 0 ? (float)fmin(1.0, limit / (2 * value)) : 1.0f;
}

static float unless(bool fault)
{
	return fault ? 0.0f : 1.0f;
}

/* Of an image that was read. */
static float score_read(enum thaw_issue issue, const struct thaw_image_facts *f, const struct thaw_usual *u)
{
	bool blank = (double)f->contrast < BLANK_CONTRAST;
	switch (issue) {
	case THAW_ISSUE_BLANK:
		return at_least((double)f->contrast, BLANK_CONTRAST);
	case THAW_ISSUE_MISNAMED:
		return unless(f->misnamed);
	case THAW_ISSUE_LARGE:
		return at_most(pixels(f), fmax(LARGE_PIXELS, LARGE_FACTOR * u->pixels));
	case THAW_ISSUE_TINY:
		return at_least(short_side(f), fmax(TINY_SIDE, TINY_FACTOR * u->short_side));
	case THAW_ISSUE_SHAPE:
		return at_most(aspect(f), fmax(SHAPE_ASPECT, SHAPE_FACTOR * u->aspect));
	case THAW_ISSUE_CMYK:
		return unless(f->cmyk);
	case THAW_ISSUE_GREY:
		return unless(f->grey && u->colour);
	case THAW_ISSUE_TURNED:
		return unless(f->turned);
	case THAW_ISSUE_DARK:
		return blank ? 1.0f : at_least((double)f->dark, DARK_LEVEL);
	case THAW_ISSUE_BRIGHT:
		return blank ? 1.0f : at_least(1.0 - (double)f->light, BRIGHT_LEVEL);
	case THAW_ISSUE_PLAIN:
		return blank ? 1.0f : at_least((double)f->information, PLAIN_FACTOR * u->information);
	case THAW_ISSUE_BLURRED:
		return blank ? 1.0f : at_least((double)f->sharpness, BLUR_FACTOR * u->sharpness);
	default:
		return 1.0f;
	}
}

bool thaw_issue_of_facts(enum thaw_issue issue)
{
	return issue != THAW_ISSUE_EXACT && issue != THAW_ISSUE_NEAR && issue != THAW_ISSUE_LABEL &&
	       issue != THAW_ISSUE_OUTLIER;
}

float thaw_issue_score(enum thaw_issue issue, const struct thaw_image_facts *f, const struct thaw_usual *usual)
{
	switch (issue) {
	case THAW_ISSUE_DAMAGED:
		return unless(f->reading == THAW_READ_DAMAGED);
	case THAW_ISSUE_EMPTY:
		return unless(f->reading == THAW_READ_EMPTY);
	case THAW_ISSUE_FOREIGN:
		return unless(f->reading == THAW_READ_FOREIGN);
	case THAW_ISSUE_UNREADABLE:
		return unless(f->reading == THAW_READ_FAILED);
	default:
		return f->reading == THAW_READ ? score_read(issue, f, usual) : NAN;
	}
}

static thaw_status find_issue(struct thaw_findings *f, enum thaw_issue issue, const struct thaw_image_facts *facts,
			      const struct thaw_usual *usual, int64_t count)
{
	struct thaw_issue_findings *i = &f->issue[issue];
	double sum = 0.0;
	for (int64_t k = 0; k < count; k++) {
		const struct thaw_finding finding = {
			.image = k, .other = -1, .score = thaw_issue_score(issue, &facts[k], usual), .suggested = -1};
		if (isnan(finding.score))
			continue;
		i->measured++;
		sum += (double)finding.score;
		if (finding.score < THAW_FLAG)
			THAW_TRY(thaw_findings_add(f, issue, &finding));
	}
	i->score = i->measured > 0 ? sum / (double)i->measured : 1.0;
	return THAW_OK;
}

thaw_status thaw_findings_of_facts(struct thaw_findings *f, const struct thaw_image_facts *facts,
				   const struct thaw_usual *usual, int64_t count)
{
	for (int k = 0; k < THAW_ISSUES; k++)
		if (thaw_issue_of_facts((enum thaw_issue)k))
			THAW_TRY(find_issue(f, (enum thaw_issue)k, facts, usual, count));
	return THAW_OK;
}
