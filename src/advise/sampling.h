/* Which images thaw_advise and thaw_compare measure, and over how many lanes they are spread. */
#ifndef THAW_SRC_ADVISE_SAMPLING_H
#define THAW_SRC_ADVISE_SAMPLING_H

#include "thaw/advise.h"
#include "thaw/found.h"

/* THAW_CONFIG unless each image has one class. place: what messages call the dataset. */
thaw_status thaw_sample_check(const struct thaw_dataset *d, const char *place);

/* The options with which the dataset is opened. Reads o->exclude into *exclude, which they refer to; the caller
 * releases it with thaw_exclude_free when the dataset is open. */
thaw_status thaw_advise_data_options(struct thaw_dataset_options *options, struct thaw_exclude *exclude,
				     const struct thaw_advise_options *o);

/* Opens the training images: all of them or, if there are more than 2048, the same number of each class that makes
 * about as many; at least two per class, since a probe leaves one out. The caller closes *d. */
thaw_status thaw_sample_open(struct thaw_dataset *d, const struct thaw_advise_options *options);

/* Lanes to spread the images over: --lanes, or by default 8, or the rank count if that is larger. */
int thaw_advise_lanes(const struct thaw_advise_options *options, const struct thaw_comm *comm);

/* Logs the text about an object of thaw_found_json, on rank 0. */
void thaw_log_found(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const json_t *found);
/* Logs how images are prepared for the model, after `prefix`. */
void thaw_log_preprocess(const struct thaw_comm *comm, const struct thaw_callbacks *callbacks, const char *prefix,
			 const struct thaw_model *model);

#endif
