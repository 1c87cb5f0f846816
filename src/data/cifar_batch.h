/* One file of CIFAR's Python version. Internal to src/data. */
#ifndef THAW_SRC_DATA_CIFAR_BATCH_H
#define THAW_SRC_DATA_CIFAR_BATCH_H

#include "src/data/cifar_image.h"
#include "src/data/names.h"

/* The images of one file: `count` times CIFAR_PIXELS bytes, at `offset` of the open file, or in memory if the file has
 * them in another form. */
struct cifar_batch {
	int fd; /* -1: none */
	int64_t offset, count;
	uint8_t *memory;
	int32_t *labels; /* [count] */
};

/* Opens a file: a dict with "data", an array of bytes of shape (images, 3072), and `key`, a list of labels below
 * `classes`. Keys and texts may be strings or bytes. THAW_DATA if it is anything else. *batch must be closed after a
 * failure too. */
thaw_status thaw_cifar_batch_open(struct cifar_batch *batch, const char *path, const char *key, int classes);
void thaw_cifar_batch_close(struct cifar_batch *batch);

/* Reads the pixels of image i. */
thaw_status thaw_cifar_batch_read(const struct cifar_batch *batch, int64_t i, uint8_t pixels[CIFAR_PIXELS],
				  const char *name);

/* Reads the class names from the list `key` of a file of their names. */
thaw_status thaw_cifar_names_read(struct names *names, const char *path, const char *key);

#endif
