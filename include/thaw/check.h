/* Checking a dataset: images that harm a training or a comparison, and why. */
#ifndef THAW_CHECK_H
#define THAW_CHECK_H

#include <jansson.h>

#include "thaw/api.h"
#include "thaw/train.h"

THAW_BEGIN_DECLS

/* Strings are owned by the caller. thaw_check_defaults sets the defaults that --help prints. */
struct thaw_check_options {
	struct thaw_preprocess_override images; /* of the network; all zero: its own */
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
	const char *data;        /* see thaw_dataset_open; all of its splits are checked */
	const char *exclude;     /* list of images that are left out (thaw/exclude.h); NULL: none */
	const char *model;       /* network whose features show suspicious labels and outliers; NULL: neither */
	const char *weights_key; /* see thaw_model_load_key; NULL: any */
	const char *out;         /* receives the list for --exclude, from rank 0; NULL: none */
	const char *scores;      /* receives a table of the scores of all images, from rank 0; NULL: none */
	enum thaw_precision precision;
	struct thaw_size size; /* of the network's input; 0: its own */
	double test_share;     /* as for a training: which images it would hold out of a folder without splits */
	long long seed;        /* likewise */
	int decode_threads;    /* per rank */
};

void thaw_check_defaults(struct thaw_check_options *o);

/* The words for the issues, which --fail-on and the result use; NULL after the last one. */
const char *thaw_check_issue(int number);

/* Reads all images of all splits on all ranks and looks for issues. *result: rank 0 receives a new reference, other
 * ranks NULL; docs/datasets.md describes its members. It is the same for any number of ranks. Images that cannot be
 * read are an issue, not a failure. Fails like thaw_dataset_open with `lenient`, or if a file cannot be written.
 * Collective. */
thaw_status thaw_check(struct thaw_comm *comm, const struct thaw_check_options *options,
		       const struct thaw_callbacks *callbacks, json_t **result);

THAW_END_DECLS

#endif
