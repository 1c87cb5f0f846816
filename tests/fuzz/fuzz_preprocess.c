/* Fuzzes the readers of preprocessing: the input is the configuration of transformers (preprocessor_config.json), that
 * of timm (config.json), and the text in the metadata of a file that Thaw wrote. What is read can be written. */
#include "src/model/metadata.h"
#include "src/model/preprocess_config.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/memory.h"

static void write_back(const struct thaw_preprocess *p)
{
	char *text = NULL;
	struct thaw_preprocess again = {0};
	if (!thaw_preprocess_valid(p) || thaw_metadata_write_preprocess(&text, p) != THAW_OK ||
	    thaw_metadata_read_preprocess(&again, text, "fuzz") != THAW_OK)
		abort();
	thaw_free(text);
}

static void read_file(const char *name, const uint8_t *bytes, size_t size)
{
	struct thaw_preprocess p = {0};
	const char *from = NULL;
	fuzz_put(name, bytes, size);
	if (thaw_preprocess_config_read(&p, &from, fuzz_path("model.safetensors")) != THAW_OK)
		fuzz_expect_message();
	else if (from)
		write_back(&p);
	unlink(fuzz_path(name));
}

static void read_metadata(const char *text)
{
	struct thaw_preprocess p = {0};
	char **labels = NULL;
	if (thaw_metadata_read_preprocess(&p, text, "fuzz") == THAW_OK)
		write_back(&p);
	else
		fuzz_expect_message();
	for (int64_t count = 0; count < 4; count++) {
		if (thaw_metadata_read_labels(&labels, count, text, "fuzz") == THAW_OK)
			thaw_labels_free(labels, count);
		else
			fuzz_expect_message();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	read_file("preprocessor_config.json", bytes, size);
	read_file("config.json", bytes, size);
	char *text = thaw_alloc(size + 1, 1);
	if (!text)
		return 0;
	if (size > 0)
		memcpy(text, bytes, size);
	read_metadata(text);
	thaw_free(text);
	return 0;
}
