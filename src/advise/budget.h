/* What a training may take. */
#ifndef THAW_SRC_ADVISE_BUDGET_H
#define THAW_SRC_ADVISE_BUDGET_H

#include "thaw/error.h"

/* Hours on the clock, or of all cores together; INFINITY: any. */
struct thaw_budget {
	double hours, core_hours;
};

/* "2h", "90m", "45s", "30 core-hours" (or "30core-hours"); NULL: any. THAW_USAGE for anything else. */
thaw_status thaw_budget_parse(struct thaw_budget *budget, const char *text);

#endif
