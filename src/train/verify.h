/* The parts of thaw_verify. */
#ifndef THAW_SRC_TRAIN_VERIFY_H
#define THAW_SRC_TRAIN_VERIFY_H

#include "thaw/verify.h"

struct verification {
	struct thaw_comm *comm;
	const struct thaw_verify_options *options;
	const struct thaw_callbacks *callbacks;
	char *data;         /* the dataset's folder; "": that of the manifest; the same on all ranks */
	char *manifest;     /* its manifest; "": none; the same on all ranks */
	json_t *config;     /* config.json, on all ranks */
	bool images_differ; /* the same on all ranks */
	/* Rank 0. */
	json_t *changes, *notes; /* arrays of lines */
	json_t *images, *files, *retrain;
};

/* verify_lines.c. Appends a line (printf, once) to changes or notes. Rank 0; does nothing on other ranks. */
void verify_change(struct verification *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
void verify_note(struct verification *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Copies rank 0's text to the other ranks, where it is from thaw_alloc. Collective. */
thaw_status verify_share(struct thaw_comm *comm, char **text);
/* Whether this rank was asked to stop. */
bool verify_stops(const struct verification *v);

/* verify_files.c: the files of the run directory, the network that the run started from, the program. Rank 0. */
thaw_status verify_files(struct verification *v);

/* verify_images.c: the images. Sets v->data if it is NULL. Collective. */
thaw_status verify_images(struct verification *v);

/* retrain.c: repeats steps and compares. Collective. */
thaw_status verify_retrain(struct verification *v);

/* retrain_compare.c: compares what the run saved at `step` with the same of the repetition in `again`. final: the
 * trained network, else a checkpoint. *tensor: the first that differs, from thaw_alloc; NULL if none does. Rank 0. */
thaw_status retrain_compare_weights(char **tensor, const char *run, const char *again, int64_t step, bool final);
/* Compares the steps (from, to] of metrics.jsonl. *compared: steps that both have; *differs: the first step whose
 * numbers differ, or -1. Rank 0. */
thaw_status retrain_compare_metrics(const char *run, const char *again, int64_t from, int64_t to, int64_t *compared,
				    int64_t *differs);

/* config_options.c: the settings that config.json records. Strings are borrowed from it; numbers of which the options
 * have the text are replaced by it. THAW_DATA if one is missing.
 */
thaw_status run_config_options(struct thaw_train_options *o, json_t *config);

#endif
