/* See predictor.h. */
#include "src/cli/predictor.h"

#include <string.h>

#include "src/base/try.h"
#include "src/cli/log.h"
#include "src/cli/signals.h"

static bool stop_requested(void *context)
{
	(void)context;
	return thaw_stop_requested() != 0;
}

thaw_status predictor_open(struct predictor *p, const struct session *session, const struct network_choice *network,
			   const char *precision, const char *heatmaps)
{
	THAW_TRY(network_load(session, &p->model, network, 0, 0));
	THAW_TRY(thaw_model_check_classifier(p->model));
	THAW_TRY(network_set_precision(session, p->model, network, precision));
	p->heatmaps.directory = heatmaps;
	THAW_TRY(heatmaps_prepare(&p->heatmaps, p->model));
	THAW_TRY(thaw_graph_lower(&p->graph, p->model->graph));
	const struct thaw_size size = p->model->preprocess.size;
	const struct thaw_shape image = thaw_shape_of(1, size.height, size.width, 3);
	THAW_TRY(thaw_executor_create(&p->executor, p->graph, &image, THAW_WHOLE, false));
	THAW_TRY(thaw_executor_pack(p->executor, NULL, true));
	THAW_TRY(heatmaps_open(&p->heatmaps, p->graph, size, p->executor));
	THAW_TRY(prediction_open(&p->prediction, p->model));
	network_log(session, p->model, network);
	if (strcmp(p->model->source, "random") == 0)
		log_line(session->comm,
			 "warning: random weights: --model %s: the result means nothing: give FAMILY:FILE, or a run",
			 network->spec);
	network_log_sigmoid(session->comm, p->model);
	thaw_executor_on_node(p->executor, stop_requested, NULL);
	return THAW_OK;
}

void predictor_close(struct predictor *p)
{
	heatmaps_close(&p->heatmaps);
	prediction_close(&p->prediction);
	thaw_executor_destroy(p->executor);
	thaw_graph_destroy(p->graph);
	thaw_model_destroy(p->model);
}

struct thaw_preprocess predictor_preprocess(const struct predictor *p, const struct thaw_encoded_image *image)
{
	const struct thaw_preprocess *own = &p->model->preprocess;
	return thaw_preprocess_of_image(own, thaw_preprocess_size(own, image->width, image->height));
}

thaw_status predictor_run(struct predictor *p, const struct thaw_encoded_image *image, const struct thaw_preprocess *of,
			  const float **outputs)
{
	THAW_TRY(thaw_executor_resize(p->executor, of->size.height, of->size.width));
	THAW_TRY(heatmaps_resize(&p->heatmaps, p->graph, of->size));
	THAW_TRY(thaw_transform_eval(image, of, thaw_executor_input(p->executor)));
	*outputs = thaw_executor_forward(p->executor, 1, NULL);
	return *outputs ? THAW_OK : THAW_UNFINISHED;
}
