#include "src/advise/budget.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_PER_HOUR 3600.0

static const struct {
	const char *name;
	bool cores;
	double hours;
} units[] = {
	{"h", false, 1.0},
	{"m", false, 60.0 / SECONDS_PER_HOUR},
	{"s", false, 1.0 / SECONDS_PER_HOUR},
	{"core-hours", true, 1.0},
	{"core-hour", true, 1.0},
};

thaw_status thaw_budget_parse(struct thaw_budget *budget, const char *text)
{
	*budget = (struct thaw_budget){INFINITY, INFINITY};
	if (!text)
		return THAW_OK;
	char *unit;
	double value = strtod(text, &unit);
	bool number = unit != text && isfinite(value) && value > 0.0;
	unit += strspn(unit, " ");
	for (size_t i = 0; number && i < sizeof(units) / sizeof(*units); i++)
		if (strcmp(unit, units[i].name) == 0) {
			*(units[i].cores ? &budget->core_hours : &budget->hours) = value * units[i].hours;
			return THAW_OK;
		}
	return thaw_fail(THAW_USAGE,
			 "not understood: --budget %s: give hours, minutes or core-hours, such as 2h, 90m or "
			 "\"30 core-hours\"",
			 text);
}
