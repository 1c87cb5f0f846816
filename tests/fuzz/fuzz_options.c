/* Fuzzes what users write: a --config file, and values of options of every type. */
#include "src/advise/budget.h"
#include "src/cli/config.h"
#include "src/cli/option_value.h"
#include "tests/fuzz/fuzz.h"

#define LONGEST 200

union value {
	bool flag;
	const char *text;
	int whole;
	long long large;
	double real;
	struct interval interval;
};

static void store(const char *text)
{
	struct option o = {.name = "option", .metavar = "X", .min = 0, .max = 1e6};
	char shown[256];
	for (int type = OPTION_FLAG; type <= OPTION_INTERVAL; type++) {
		union value value = {0}, again = {0};
		o.type = (enum option_type)type;
		if (option_store(&o, &value, text, "--option") != THAW_OK) {
			fuzz_expect_message();
			continue;
		}
		/* What is shown is accepted. */
		option_show(&o, &value, shown, sizeof(shown));
		if (type != OPTION_TEXT && option_store(&o, &again, shown, "--option") != THAW_OK)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct config *config = NULL;
	struct thaw_budget budget;
	char text[LONGEST];
	fuzz_put("config.yaml", bytes, size);
	if (config_read(&config, fuzz_path("config.yaml")) != THAW_OK)
		fuzz_expect_message();
	for (int i = 0; config && i < config->count; i++)
		store(config->entries[i].value);
	config_free(config);
	snprintf(text, sizeof(text), "%.*s", (int)size, (const char *)bytes);
	store(text);
	thaw_budget_parse(&budget, text);
	return 0;
}
