/* Names of tensors from files that are not trusted. */
#include "src/model/tensor_name.h"

#include <ctype.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "thaw/memory.h"

#define MAX_NAME 512 /* bytes */

static bool is_utf8(const char *text, size_t size)
{
	json_t *string = json_stringn(text, size); /* NULL unless it is valid UTF-8 */
	json_decref(string);
	return string != NULL;
}

thaw_status thaw_tensor_name_copy(char **name, const char *text, size_t size, const char *file)
{
	bool printable = size > 0 && size <= MAX_NAME;
	for (size_t i = 0; i < size && printable; i++)
		printable = (unsigned char)text[i] >= ' ' && text[i] != 0x7f;
	if (!printable || !is_utf8(text, size))
		return thaw_fail(THAW_DATA, "damaged weight file: %s: a tensor's name is empty, too long or not text",
				 file);
	char *copy = thaw_alloc(size + 1, 1);
	if (!copy)
		return THAW_RESOURCE;
	memcpy(copy, text, size);
	*name = copy;
	return THAW_OK;
}

/* Whether the word at `at` is complete, such as "ema" in "model_ema" but not in "schema". */
static bool is_word(const char *text, size_t size, size_t at, size_t length)
{
	bool starts = at == 0 || !isalpha((unsigned char)text[at - 1]);
	return starts && (at + length == size || !isalpha((unsigned char)text[at + length]));
}

bool thaw_name_is_average(const char *text, size_t size)
{
	static const char *const words[] = {"ema",    "teacher", "momentum", "average",  "averaged",
					    "shadow", "swa",     "target",   "encoder_k"};
	for (size_t w = 0; w < sizeof(words) / sizeof(*words); w++) {
		size_t length = strlen(words[w]);
		for (size_t at = 0; at + length <= size; at++)
			if (strncasecmp(text + at, words[w], length) == 0 && is_word(text, size, at, length))
				return true;
	}
	return false;
}
