/* Values of options as text and back: one parser per type, each consuming the whole text. */
#include "src/cli/option_value.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"

/* The range of an option: "from 0 to 1", "of at least 1". Returns text. */
static const char *range_text(const struct option *o, char *text, size_t size)
{
	if (isinf(o->max))
		snprintf(text, size, "of at least %g", o->min);
	else
		snprintf(text, size, "from %.10g to %.10g", o->min, o->max);
	return text;
}

static thaw_status check_range(const struct option *o, double value, const char *place)
{
	char range[64];
	if (value >= o->min && value <= o->max)
		return THAW_OK;
	return thaw_fail(THAW_USAGE, "out of range: %s: give a number %s", place, range_text(o, range, sizeof(range)));
}

static thaw_status parse_real(const struct option *o, const char *text, const char *place, double *value)
{
	char *end, range[64];
	errno = 0;
	double v = strtod(text, &end);
	if (end == text || *end || !isfinite(v))
		return thaw_fail(THAW_USAGE, "not a number: %s: give a number %s", place,
				 range_text(o, range, sizeof(range)));
	THAW_TRY(check_range(o, v, place));
	*value = v;
	return THAW_OK;
}

static thaw_status parse_whole(const struct option *o, const char *text, const char *place, long long largest,
			       long long *value)
{
	char *end, range[64];
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (end == text || *end)
		return thaw_fail(THAW_USAGE, "not a whole number: %s: give one %s", place,
				 range_text(o, range, sizeof(range)));
	if (errno == ERANGE || v > largest)
		return thaw_fail(THAW_USAGE, "out of range: %s: give a number up to %lld", place, largest);
	THAW_TRY(check_range(o, (double)v, place));
	*value = v;
	return THAW_OK;
}

/* "500" steps, "600s" seconds. */
static thaw_status parse_interval(const struct option *o, const char *text, const char *place, struct interval *value)
{
	char *end;
	errno = 0;
	double v = strtod(text, &end);
	bool seconds = end != text && strcmp(end, "s") == 0;
	if (end == text || !isfinite(v) || v < 0 || v > 1e15 || (*end && !seconds) || (!seconds && v != floor(v)))
		return thaw_fail(THAW_USAGE, "not an interval: %s: give steps (500), or seconds followed by s (600s)",
				 place);
	THAW_TRY(check_range(o, v, place));
	*value = seconds ? (struct interval){.seconds = v} : (struct interval){.steps = (long long)v};
	return THAW_OK;
}

static thaw_status parse_flag(const char *text, const char *place, bool *value)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(text, words[i]) == 0) {
			*value = i % 2;
			return THAW_OK;
		}
	}
	return thaw_fail(THAW_USAGE, "not a boolean: %s: give true or false", place);
}

static thaw_status parse_text(const struct option *o, const char *text, const char *place, const char **value)
{
	size_t length = strlen(text);
	bool found = !o->choices;
	for (const char *c = o->choices; c && !found; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
		found = strcspn(c, "|") == length && strncmp(c, text, length) == 0;
	if (!found)
		return thaw_fail(THAW_USAGE, "not a choice: %s: give one of %s", place, o->choices);
	if (!length)
		return thaw_fail(THAW_USAGE, "an empty value: %s: give a %s", place, o->metavar);
	if (o->check)
		THAW_TRY(o->check(text, place));
	*value = text;
	return THAW_OK;
}

thaw_status option_store(const struct option *o, void *values, const char *text, const char *place)
{
	void *value = (char *)values + o->offset;
	long long whole = 0;
	switch (o->type) {
	case OPTION_FLAG:
		return parse_flag(text, place, value);
	case OPTION_TEXT:
		return parse_text(o, text, place, value);
	case OPTION_INT:
		THAW_TRY(parse_whole(o, text, place, INT_MAX, &whole));
		*(int *)value = (int)whole;
		return THAW_OK;
	case OPTION_LONG:
		return parse_whole(o, text, place, LLONG_MAX, value);
	case OPTION_REAL:
		return parse_real(o, text, place, value);
	case OPTION_INTERVAL:
		return parse_interval(o, text, place, value);
	}
	return thaw_fail(THAW_SOFTWARE, "an option of unknown type: --%s: this is a bug, please report it", o->name);
}

const char *option_show(const struct option *o, const void *values, char *text, size_t size)
{
	const void *value = (const char *)values + o->offset;
	const struct interval *interval = value;
	switch (o->type) {
	case OPTION_FLAG:
		snprintf(text, size, "%s", *(const bool *)value ? "true" : "false");
		break;
	case OPTION_TEXT:
		snprintf(text, size, "%s", *(const char *const *)value ? *(const char *const *)value : "");
		break;
	case OPTION_INT:
		snprintf(text, size, "%d", *(const int *)value);
		break;
	case OPTION_LONG:
		snprintf(text, size, "%lld", *(const long long *)value);
		break;
	case OPTION_REAL:
		snprintf(text, size, "%.10g", *(const double *)value);
		break;
	case OPTION_INTERVAL:
		if (interval->seconds > 0)
			snprintf(text, size, "%.10gs", interval->seconds);
		else
			snprintf(text, size, "%lld", interval->steps);
		break;
	}
	return text;
}

const char *option_show_default(const struct option *o, const void *values, char *text, size_t size)
{
	return o->absent ? o->absent : option_show(o, values, text, size);
}
