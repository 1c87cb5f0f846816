/* The network that is linked into the program: models/builtin.safetensors, included by the assembler. Without that file
 * in the source tree the program is built without the network. */
#include <stddef.h>

#include "src/model/included.h"
#include "src/model/model_internal.h"

#if __has_include("models/builtin.safetensors")

THAW_INCLUDE_FILE(thaw_builtin, "models/builtin.safetensors");

thaw_status thaw_builtin_bytes(const void **bytes, size_t *size)
{
	*bytes = thaw_builtin_begin;
	*size = (size_t)(thaw_builtin_end - thaw_builtin_begin);
	return THAW_OK;
}

#else

thaw_status thaw_builtin_bytes(const void **bytes, size_t *size)
{
	(void)bytes;
	(void)size;
	return thaw_fail(THAW_CONFIG, "this program was built without the built-in network: --model builtin: "
				      "build it with models/builtin.safetensors, or give a model file");
}

#endif
