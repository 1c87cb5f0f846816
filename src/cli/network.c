#include "src/cli/network.h"

#include "src/base/try.h"
#include "src/cli/image_options.h"
#include "src/cli/log.h"
#include "thaw/sizes.h"
#include "thaw/train.h"

static thaw_status load(const struct session *session, struct thaw_model **model, const struct network_choice *choice,
			int64_t classes, uint64_t seed)
{
	int64_t step;
	if (!choice->from)
		return thaw_model_load_key(model, choice->spec, choice->weights_key, classes, seed);
	if (choice->weights_key)
		return thaw_fail(THAW_USAGE,
				 "a checkpoint has one set of weights: --weights-key and --from: omit one of them");
	THAW_TRY(thaw_run_model_load(model, &step, choice->spec, choice->from));
	log_line(session->comm, "network: step %lld of %s (--from %s)", (long long)step, choice->spec, choice->from);
	return THAW_OK;
}

thaw_status network_load(const struct session *session, struct thaw_model **model, const struct network_choice *choice,
			 int64_t classes, uint64_t seed)
{
	THAW_TRY(load(session, model, choice, classes, seed));
	if (choice->fully_conv)
		THAW_TRY(thaw_model_make_fully_conv(*model));
	THAW_TRY(thaw_model_set_preprocess(*model, size_of(choice->size), choice->images));
	struct thaw_native *native = &(*model)->preprocess.native;
	if (!is_native(choice->size) || native->stride > 0) /* recorded limits stay */
		return THAW_OK;
	return thaw_native_limits(native, *model, 0);
}

void network_log_precision(struct thaw_comm *comm, enum thaw_precision precision)
{
	char text[THAW_PRECISION_LINE];
	const char *line = thaw_precision_line(precision, text, sizeof(text));
	if (line)
		log_line(comm, "%s", line);
}

thaw_status network_set_precision(const struct session *session, struct thaw_model *model,
				  const struct network_choice *choice, const char *word)
{
	struct thaw_run_record record = {.found = false};
	if (!word)
		THAW_TRY(thaw_run_record_read(&record, choice->spec));
	enum thaw_precision precision =
		word ? thaw_precision_find(word) : (record.found ? record.precision : THAW_PRECISION_FP32);
	thaw_run_record_close(&record);
	thaw_graph_set_precision(model->graph, precision);
	network_log_precision(session->comm, precision);
	return THAW_OK;
}

void network_log(const struct session *session, const struct thaw_model *model, const struct network_choice *choice)
{
	char line[THAW_PREPROCESS_LINE];
	if (model->notes)
		log_line(session->comm, "network %s: %s", choice->spec, model->notes);
	log_line(session->comm, "%s", thaw_model_preprocess_line(model, line, sizeof(line)));
}

void network_log_sigmoid(struct thaw_comm *comm, const struct thaw_model *model)
{
	if (model->sigmoid_from)
		log_line(comm,
			 "note: %s: each probability is that of one class alone, they do not add up to 100 %%; a loss "
			 "is the binary cross-entropy",
			 model->sigmoid_from);
}
