#include "src/cli/image_options.h"

/* Whether the text would be accepted for a network of this size; that of the network may be larger. */
static thaw_status check(const struct thaw_preprocess_override *o)
{
	struct thaw_preprocess p = {.size = 1};
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
