/* Fuzzes the readers of a run directory: the input is its configuration, result, record of the best checkpoint, origin
 * and plan, and its metrics. */
#include "tests/fuzz/fuzz.h"
#include "thaw/checkpoint.h"
#include "thaw/ledger.h"
#include "thaw/model.h"
#include "thaw/report.h"
#include "thaw/train.h"
#include "thaw/training_plan.h"

static void read_plan(void)
{
	json_t *plan = NULL;
	if (thaw_training_plan_read(&plan, fuzz_path("result.json")) != THAW_OK)
		fuzz_expect_message();
	json_decref(plan);
}

static void read_ledger(void)
{
	struct thaw_ledger *ledger = NULL;
	if (thaw_ledger_read(fuzz_folder(), &ledger) != THAW_OK)
		fuzz_expect_message();
	thaw_ledger_destroy(ledger);
}

static void read_steps(void)
{
	static const char *const from[] = {"best", "last", "step-3"};
	struct thaw_run_record record;
	int64_t step;
	if (thaw_checkpoint_best(&step, fuzz_folder()) != THAW_OK)
		fuzz_expect_message();
	for (int i = 0; i < 3; i++) {
		struct thaw_model *model = NULL;
		if (thaw_run_model_load(&model, &step, fuzz_folder(), from[i]) != THAW_OK)
			fuzz_expect_message();
		thaw_model_destroy(model);
	}
	if (thaw_run_record_read(&record, fuzz_folder()) != THAW_OK)
		fuzz_expect_message();
	thaw_run_record_close(&record);
}

static void read_origin(void)
{
	struct thaw_model *model = NULL;
	if (thaw_model_load_origin(&model, fuzz_folder()) != THAW_OK)
		fuzz_expect_message();
	thaw_model_destroy(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"config.json", "result.json", "best.json", "origin.json", "metrics.jsonl"};
	enum { NAMES = sizeof(names) / sizeof(*names) };
	for (int i = 0; i < NAMES; i++)
		fuzz_put(names[i], bytes, size);
	read_plan();
	read_ledger();
	read_steps();
	read_origin();
	for (int64_t lines = 3; lines >= 0; lines--)
		if (thaw_report_rewind(fuzz_path("metrics.jsonl"), lines) != THAW_OK)
			fuzz_expect_message();
	fuzz_clear(names, NAMES);
	return 0;
}
