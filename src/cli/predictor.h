/* A network prepared for one image at a time. */
#ifndef THAW_SRC_CLI_PREDICTOR_H
#define THAW_SRC_CLI_PREDICTOR_H

#include "src/cli/heatmap.h"
#include "src/cli/network.h"
#include "src/cli/prediction.h"
#include "thaw/executor.h"
#include "thaw/transform.h"

struct predictor {
	struct thaw_model *model;
	struct thaw_graph *graph; /* the model's graph, with batch norms folded and operators fused */
	struct thaw_executor *executor;
	struct prediction prediction;
	struct heatmaps heatmaps;
};

/* Loads the network. precision: --precision, or NULL. heatmaps: folder for them, or NULL. The caller closes *p, also
 * after a failure. */
thaw_status predictor_open(struct predictor *p, const struct session *session, const struct network_choice *network,
			   const char *precision, const char *heatmaps);
void predictor_close(struct predictor *p); /* zeroed is fine */

/* How this image is prepared. */
struct thaw_preprocess predictor_preprocess(const struct predictor *p, const struct thaw_encoded_image *image);

/* Runs the network on an image. of: the preprocessing of this image. *outputs: of the network, valid until the next
 * run. THAW_UNFINISHED: abandoned on request. */
thaw_status predictor_run(struct predictor *p, const struct thaw_encoded_image *image, const struct thaw_preprocess *of,
			  const float **outputs);

#endif
