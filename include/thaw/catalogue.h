/* Pretrained networks that this version reads: their published accuracy, and what they cost here. */
#ifndef THAW_CATALOGUE_H
#define THAW_CATALOGUE_H

#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"

THAW_BEGIN_DECLS

struct thaw_network {
	char *name;                    /* timm's, with the tag of its weights; on the Hub: timm/NAME */
	char *family;                  /* of Thaw: the variant that the file becomes */
	double top1, top5;             /* on ImageNet's validation images, in percent, as timm's authors measured */
	int size;                      /* of the input, at which that was measured */
	int64_t parameters;            /* without moving statistics */
	int64_t multiply_adds, values; /* of a forward pass of one image: values are the outputs of all layers */
	char *licence;                 /* of the weights, as timm names it */
	int year;                      /* of the paper; 0: unknown */
};

struct thaw_catalogue {
	struct thaw_network *networks; /* [count], the most accurate first */
	int count;
	char *sources; /* where the facts are from, with dates, for the user */
};

/* Reads the catalogue that is part of the program. The caller frees *c, also after a failure. */
thaw_status thaw_catalogue_read(struct thaw_catalogue *c);
void thaw_catalogue_free(struct thaw_catalogue *c);

/* Predicted seconds of one image on one core in fp32. gflops: speed of large products, see thaw_bench_gemm. */
double thaw_network_seconds(const struct thaw_network *n, double gflops);

/* Predicted bytes of a rank that trains the whole network with so many images per step, in fp32. */
double thaw_network_bytes(const struct thaw_network *n, int images);

THAW_END_DECLS

#endif
