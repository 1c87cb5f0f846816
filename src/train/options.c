/* Defaults, and what of a run's options decides its numbers. */
#include <string.h>

#include <cblas.h>

#include "src/train/run.h"
#include "thaw/report.h"

#define DEFAULT_LANES 8

void thaw_train_defaults(struct thaw_train_options *o)
{
	*o = (struct thaw_train_options){
		.model = "builtin",
		.unfreeze = "head",
		.optimizer = "sgd",
		.resume = "auto",
		.epochs = 10,
		.batch = 32,
		.momentum = 0.9,
		.weight_decay = -1.0,
		.layer_decay = 1.0,
		.dropout = -1.0,
		.warmup = 0.05,
		.scale_min = 0.35,
		.flip = 0.5,
		.test_share = 0.2,
		.seed = 1,
		.eval_every = 1,
		.checkpoint_seconds = 600.0,
		.keep = 3,
		.decode_threads = 1,
	};
}

static thaw_status refuse(const char *what, const char *flag, const char *todo)
{
	return thaw_fail(THAW_USAGE, "%s: %s: %s", what, flag, todo);
}

/* Fills in what depends on the ranks and the model, and refuses what cannot be meant. */
thaw_status run_resolve_options(struct run *r)
{
	struct thaw_train_options *o = &r->options;
	if (!o->data)
		return refuse("no data", "--data", "name a folder of images");
	if (!o->out)
		return refuse("no run directory", "--out", "name a folder for the run");
	if (o->epochs < 0 || o->head_epochs < 0 || o->epochs + o->head_epochs < 1)
		return refuse("nothing to do", "--epochs", "give at least one epoch");
	r->optimizer = thaw_optimizer_find(o->optimizer);
	if (!r->optimizer)
		return refuse("unknown optimizer", "--optimizer", "give sgd or adamw");
	if (o->bn && strcmp(o->bn, "frozen") != 0 && strcmp(o->bn, "lane") != 0)
		return refuse("unknown mode of batch norm", "--bn", "give frozen or lane");
	if (strcmp(o->resume, "auto") != 0 && strcmp(o->resume, "never") != 0)
		return refuse("unknown way to resume", "--resume", "give auto or never");
	if (o->lanes == 0)
		o->lanes = r->comm->size > DEFAULT_LANES ? r->comm->size : DEFAULT_LANES;
	if (o->lanes < r->comm->size)
		return thaw_fail(THAW_CONFIG,
				 "%d ranks and only %d lanes: --lanes: start at most %d ranks or give more lanes",
				 r->comm->size, o->lanes, o->lanes);
	if (o->batch < o->lanes)
		return thaw_fail(THAW_CONFIG,
				 "%d images a step for %d lanes: --batch: give at least one image a lane, "
				 "or fewer --lanes",
				 o->batch, o->lanes);
	if (o->lr == 0.0)
		o->lr = r->optimizer->default_lr;
	if (o->head_lr == 0.0)
		o->head_lr = o->lr;
	if (o->weight_decay < 0.0)
		o->weight_decay = r->optimizer->default_weight_decay;
	return THAW_OK;
}

/* Everything that decides a run's numbers: a resumed run must have the same. Paths may change. */
json_t *run_config_json(const struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	return json_pack("{s:s, s:s, s:s, s:s, s:f, s:f, s:i, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:f, "
			 "s:f, s:i, s:f, "
			 "s:I, s:I, s:f, s:s}",
			 "variant", r->model->variant, "unfreeze", o->unfreeze, "optimizer", o->optimizer, "bn", o->bn,
			 "epochs", o->epochs, "head-epochs", o->head_epochs, "lanes", o->lanes, "batch", o->batch,
			 "size", r->preprocess.size, "lr", o->lr, "head-lr", o->head_lr, "momentum", o->momentum,
			 "weight-decay", o->weight_decay, "layer-decay", o->layer_decay, "warmup", o->warmup,
			 "label-smoothing", o->label_smoothing, "scale-min", o->scale_min, "flip", o->flip, "jitter",
			 o->jitter, "pad-crop", o->pad_crop, "test-share", o->test_share, "per-class",
			 (json_int_t)o->per_class, "seed", (json_int_t)o->seed, "dropout", o->dropout, "blas",
			 openblas_get_corename());
}
