#include "src/cli/network.h"

#include "src/base/try.h"
#include "src/cli/log.h"
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
	return thaw_model_set_preprocess(*model, choice->size, choice->images);
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
