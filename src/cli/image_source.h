/* The images of a command: files and folders of the command line, a list of files, or a dataset. */
#ifndef THAW_SRC_CLI_IMAGE_SOURCE_H
#define THAW_SRC_CLI_IMAGE_SOURCE_H

#include "src/cli/eval_data.h"
#include "src/cli/image_list.h"
#include "src/cli/predict_file.h"
#include "thaw/comm.h"

struct image_source {
	struct image_list list; /* files; unused if `dataset` is open */
	struct eval_data data;  /* its dataset has count 0: none */
	int64_t count;
};

/* model: its run decides the defaults of the dataset, see eval_data_open. arguments[count]: of the command line. The
 * caller closes *s, also after a failure. */
thaw_status image_source_open(struct image_source *s, const struct predict_file *file, const char *model,
			      char *const *arguments, int count);
void image_source_close(struct image_source *s); /* zeroed is fine */

/* Logs which images were found, and which were skipped. file: that of image_source_open. */
void image_source_log(const struct image_source *s, struct thaw_comm *comm, const struct predict_file *file);

/* Writes the name of image i to text[size]. */
void image_source_name(const struct image_source *s, int64_t i, char *text, size_t size);

/* Reads image i; freed with thaw_encoded_image_free. THAW_IO or THAW_DATA if it cannot be used. */
thaw_status image_source_read(const struct image_source *s, int64_t i, struct thaw_encoded_image *encoded);

/* The class of image i in a dataset of one class per image, or NULL. */
const char *image_source_label(const struct image_source *s, int64_t i);

/* Digest of the names, to tell sources apart. */
uint64_t image_source_digest(const struct image_source *s);

#endif
