#include "src/cli/image_options.h"

#include <string.h>

#include "thaw/sizes.h"

/* Whether the text would be accepted for a network of this size; that of the network may be larger. */
static thaw_status check(const struct thaw_preprocess_override *o)
{
	struct thaw_preprocess p = {.size = {1, 1}};
	return thaw_preprocess_override_apply(&p, o);
}

thaw_status check_mean(const char *text, const char *place)
{
	(void)place;
	return check(&(struct thaw_preprocess_override){.mean = text});
}

thaw_status check_std(const char *text, const char *place)
{
	(void)place;
	return check(&(struct thaw_preprocess_override){.std = text});
}

thaw_status check_crop(const char *text, const char *place)
{
	(void)place;
	return check(&(struct thaw_preprocess_override){.crop = text});
}

bool is_native(const char *text)
{
	return text && strcmp(text, "native") == 0;
}

thaw_status check_size(const char *text, const char *place)
{
	struct thaw_size size;
	if (thaw_size_read(&size, text) || strcmp(text, "0") == 0)
		return THAW_OK;
	return thaw_fail(THAW_USAGE,
			 "not an input size: %s: give a side such as 224, or HEIGHTxWIDTH such as 224x288, up to %d",
			 place, THAW_MAX_SIDE);
}

thaw_status check_native_size(const char *text, const char *place)
{
	return is_native(text) ? THAW_OK : check_size(text, place);
}

thaw_status check_sizes(const char *text, const char *place)
{
	struct thaw_sizes sizes;
	(void)place;
	return strcmp(text, "0") == 0 ? THAW_OK : thaw_sizes_read(&sizes, text);
}

struct thaw_size size_of(const char *text)
{
	struct thaw_size size = {0, 0};
	if (text)
		(void)thaw_size_read(&size, text);
	return size;
}
