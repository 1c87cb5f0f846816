/* The network that a command works on. */
#ifndef THAW_SRC_CLI_NETWORK_H
#define THAW_SRC_CLI_NETWORK_H

#include "src/cli/command.h"
#include "thaw/model.h"

/* The flags that name a network. */
struct network_choice {
	const char *spec;        /* see thaw_model_load */
	const char *from;        /* --from, the checkpoint of a run directory; NULL: its trained network */
	const char *weights_key; /* --weights-key, or NULL */
	const struct thaw_preprocess_override *images; /* --mean and the like */
	const char *size;                              /* --size, checked; NULL: the network's own */
	bool fully_conv;                               /* --fully-conv */
};

/* Loads a network as thaw_model_load_key does, and sets its preprocessing. */
thaw_status network_load(const struct session *session, struct thaw_model **model, const struct network_choice *choice,
			 int64_t classes, uint64_t seed);

/* Sets the arithmetic of the model's products, and logs it if it is not fp32: `word` of --precision, or if that is
 * NULL, the one of the run that `choice` names, else fp32. */
thaw_status network_set_precision(const struct session *session, struct thaw_model *model,
				  const struct network_choice *choice, const char *word);

/* Logs the arithmetic if it is not fp32. */
void network_log_precision(struct thaw_comm *comm, enum thaw_precision precision);

/* Logs what was chosen from the network's file, and how images are prepared for it. Call it after what may fail at
 * once, so that an error is not preceded by other lines. */
void network_log(const struct session *session, const struct thaw_model *model, const struct network_choice *choice);

/* Says that probabilities are sigmoids, and why, if they are. */
void network_log_sigmoid(struct thaw_comm *comm, const struct thaw_model *model);

#endif
