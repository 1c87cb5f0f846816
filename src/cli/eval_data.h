/* The images that thaw eval uses, and how they relate to those that the network was trained on. */
#ifndef THAW_SRC_CLI_EVAL_DATA_H
#define THAW_SRC_CLI_EVAL_DATA_H

#include "thaw/comm.h"
#include "thaw/dataset.h"
#include "thaw/model.h"
#include "thaw/train.h"

#define EVAL_NOTE_SIZE 512

struct eval_data {
	struct thaw_dataset dataset;
	char origin[EVAL_NOTE_SIZE]; /* what is known about the network's training images; "": they are not among these
				      */
	char excluded[EVAL_NOTE_SIZE]; /* "": the list has some of the images */
	char classes[EVAL_NOTE_SIZE];  /* how classes were matched; "": the same names in the same order */
};

/* What the user asked for. */
struct eval_choice {
	const char *model, *data, *split;
	const char *exclude; /* list of images to leave out, besides those that the run left out; NULL: none */
	double test_share;   /* < 0: the run's, or the default of thaw train */
	long long seed;      /* < 0: likewise */
	/* Members that are not given are those of the run. */
	struct thaw_manifest_options manifest;
	struct thaw_parts_options parts;
};

/* Opens the images of a split: chosen as by the run that the model is of. THAW_CONFIG if training images of that run
 * would be counted as held out. */
thaw_status eval_data_open(struct eval_data *d, const struct eval_choice *choice);

/* Logs which images were found at `place`, which were skipped, and why. */
void eval_data_log(const struct eval_data *d, struct thaw_comm *comm, const char *place);

/* Gives the dataset the classes of the network. THAW_CONFIG if they do not match. */
thaw_status eval_data_match(struct eval_data *e, const struct thaw_model *model, const char *path);

#endif
