/* Checksums of JSON objects: a member "checksum" with the digest of all other members. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/digest.h"
#include "thaw/report.h"

#define CHECKSUM   "checksum"
#define HEX_DIGITS 16

/* Numbers are written with all digits, so that an object has the same digest after it was read from its file. */
static thaw_status compute(char hex[HEX_DIGITS + 1], const json_t *object)
{
	json_t *rest = json_copy((json_t *)object); /* shallow */
	json_object_del(rest, CHECKSUM);
	char *text = rest ? json_dumps(rest, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	json_decref(rest);
	if (!text)
		return thaw_fail(THAW_RESOURCE, "out of memory: the checksum of a JSON object");
	snprintf(hex, HEX_DIGITS + 1, "%016" PRIx64, thaw_digest(text, strlen(text), 0));
	free(text);
	return THAW_OK;
}

thaw_status thaw_report_seal(json_t *object)
{
	char hex[HEX_DIGITS + 1];
	THAW_TRY(compute(hex, object));
	if (json_object_set_new(object, CHECKSUM, json_string(hex)) != 0)
		return thaw_fail(THAW_RESOURCE, "out of memory: the checksum of a JSON object");
	return THAW_OK;
}

enum thaw_seal thaw_report_check_seal(const json_t *object)
{
	char hex[HEX_DIGITS + 1];
	const json_t *checksum = json_object_get(object, CHECKSUM);
	if (!checksum)
		return THAW_SEAL_ABSENT;
	const char *text = json_string_value(checksum);
	bool good = text && compute(hex, object) == THAW_OK && strcmp(text, hex) == 0;
	return good ? THAW_SEAL_GOOD : THAW_SEAL_BROKEN;
}
