/* Labels and preprocessing as JSON texts in a file's metadata. Internal to src/model. */
#ifndef THAW_SRC_MODEL_METADATA_H
#define THAW_SRC_MODEL_METADATA_H

#include "thaw/model.h"

#define THAW_OUTPUT_KEY     "thaw.output" /* present if it has this value: the outputs are independent */
#define THAW_OUTPUT_SIGMOID "sigmoid"

/* The written texts are from thaw_alloc. Reading returns THAW_DATA, with `file` in the message, if the text is invalid.
 */
thaw_status thaw_metadata_write_labels(char **text, char *const *labels, int64_t count);
thaw_status thaw_metadata_read_labels(char ***labels, int64_t count, const char *text, const char *file);
thaw_status thaw_metadata_write_object(char **text, const json_t *object);
thaw_status thaw_metadata_write_preprocess(char **text, const struct thaw_preprocess *p);
thaw_status thaw_metadata_read_preprocess(struct thaw_preprocess *p, const char *text, const char *file);

/* A size as JSON: a number, or a text such as "224x288" if it is not square; and the limits of native sizes, NULL if
 * the size is fixed. New references. */
json_t *thaw_metadata_size(struct thaw_size size);
json_t *thaw_metadata_native(const struct thaw_native *native);

/* Whether the sizes are in range, mean and deviation are finite, and the deviation is positive. */
bool thaw_preprocess_valid(const struct thaw_preprocess *p);

/* A copy of labels[count]; NULL, with the error recorded, when memory runs out. */
char **thaw_labels_copy(char *const *labels, int64_t count);
void thaw_labels_free(char **labels, int64_t count); /* NULL is fine */

#endif
