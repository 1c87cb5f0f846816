#include "src/base/size_text.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool thaw_parse_size(const char *text, size_t *bytes)
{
	static const char units[] = "KMGT";
	char *end;
	errno = 0;
	double value = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;
	if (end == text || errno || !(value >= 0.0) || (*end && (!unit || end[1])))
		return false;
	value *= unit ? (double)(1ULL << (10 * (unit - units + 1))) : 1.0;
	if (value > (double)(SIZE_MAX / 2))
		return false;
	*bytes = (size_t)value;
	return true;
}
