#include "thaw/version.h"

#include "src/base/build_text.h"

const char *thaw_version(void)
{
	return THAW_VERSION;
}

const char *thaw_build(void)
{
	return thaw_build_text;
}
