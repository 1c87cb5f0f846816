/* Limits on the cost of a training. */
#ifndef THAW_SRC_ADVISE_BUDGET_H
#define THAW_SRC_ADVISE_BUDGET_H

#include "thaw/error.h"

/* Wall-clock hours and core-hours; INFINITY: no limit. */
struct thaw_budget {
	double hours, core_hours;
};

/* "2h", "90m", "45s", "30 core-hours" (or "30core-hours"); NULL: no limit. THAW_USAGE for anything else. */
thaw_status thaw_budget_parse(struct thaw_budget *budget, const char *text);

#endif
