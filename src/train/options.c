/* The options of a run: defaults, checks, and those that decide its result. */
#include <string.h>

#include <cblas.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/model/metadata.h"
#include "src/train/recompute.h"
#include "src/train/run.h"
#include "thaw/memory.h"
#include "thaw/report.h"

#define DEFAULT_LANES      8
#define MAX_LANES          65536
#define DEFAULT_LANE_BATCH 4
#define DEFAULT_BATCH      32

void thaw_train_defaults(struct thaw_train_options *o)
{
	*o = (struct thaw_train_options){
		.model = "builtin",
		.unfreeze = "head",
		.tune = "all",
		.recompute = "off",
		.optimizer = "sgd",
		.cache = "auto",
		.cache_dtype = THAW_F32,
		.epochs = 10,
		.momentum = 0.9,
		.weight_decay = -1.0,
		.layer_decay = 1.0,
		.dropout = -1.0,
		.max_damaged = -1.0,
		.warmup = 0.05,
		.sampling = "uniform",
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

const char *thaw_bn_name(enum thaw_bn_mode mode)
{
	static const char *const names[] = {
		[THAW_BN_AUTO] = "auto",
		[THAW_BN_FROZEN] = "frozen",
		[THAW_BN_LANE] = "lane",
	};
	return names[mode];
}

static thaw_status refuse(const char *what, const char *flag, const char *todo)
{
	return thaw_fail(THAW_USAGE, "%s: %s: %s", what, flag, todo);
}

static thaw_status resolve_choices(struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	size_t bytes;
	THAW_TRY(thaw_tune_read(&r->tune, o->tune));
	THAW_TRY(thaw_recompute_check(o->recompute));
	r->optimizer = thaw_optimizer_find(o->optimizer);
	if (!r->optimizer)
		return refuse("unknown optimizer", "--optimizer", "give sgd or adamw");
	if (strcmp(o->sampling, "uniform") != 0 && strcmp(o->sampling, "balanced") != 0)
		return refuse("unknown sampling", "--sampling", "give uniform or balanced");
	if (o->cache_dtype != THAW_F32 && o->cache_dtype != THAW_F16)
		return refuse("not a type for features", "--cache-dtype", "give f32 or f16");
	return run_cache_budget(r, 0.0, &bytes);
}

/* Before anything is opened: whether the sizes and their options fit together. */
static thaw_status resolve_sizes(const struct thaw_train_options *o)
{
	struct thaw_sizes sizes;
	THAW_TRY(thaw_sizes_read(&sizes, o->size));
	bool native = sizes.mode == THAW_SIZES_NATIVE;
	if (o->fixres < 0)
		return refuse("out of range", "--fixres", "give at least 0");
	if (o->max_size < 0 || o->max_size > THAW_MAX_SIDE)
		return refuse("out of range", "--max-size", "give 1 to 16384, or 0 for the default");
	if (o->max_size > 0 && !native)
		return refuse("a limit for sizes that are not native", "--max-size", "omit it, or give --size native");
	if (o->fixres > 0 && native)
		return refuse("images are evaluated at the sizes they are trained at", "--fixres",
			      "omit it, or give another --size");
	if (o->views > 0 && sizes.mode == THAW_SIZES_GROWING)
		return refuse("each epoch has another size, so no view is used twice", "--views",
			      "omit it, or give another --size");
	return THAW_OK;
}

thaw_status run_resolve_options(struct run *r)
{
	struct thaw_train_options *o = &r->options;
	if (!r->borrowed_data && !o->data && !o->manifest.file)
		return refuse("missing option", "--data", "give a folder of images");
	if (!r->borrowed_data && !o->out)
		return refuse("missing option", "--out", "give a folder for the run");
	if (o->epochs < 0 || o->head_epochs < 0 || (o->epochs == 0 && o->head_epochs == 0))
		return refuse("no epochs to train", "--epochs", "give at least one");
	if (o->eval_every < 1)
		return refuse("out of range", "--eval-every", "give at least 1");
	if (o->lanes < 0 || o->lanes > MAX_LANES)
		return refuse("out of range", "--lanes", "give 1 to 65536, or 0 for the default");
	if (o->views < 0)
		return refuse("out of range", "--views", "give at least 0");
	THAW_TRY(resolve_sizes(o));
	THAW_TRY(resolve_choices(r));
	if (o->lanes == 0)
		o->lanes = max_int(r->comm->size, DEFAULT_LANES);
	if (o->lanes < r->comm->size)
		return thaw_fail(THAW_CONFIG,
				 "%d ranks for %d lanes: --lanes: start at most %d ranks, or a new run with more lanes",
				 r->comm->size, o->lanes, o->lanes);
	if (o->batch == 0)
		o->batch = max_int(o->lanes * DEFAULT_LANE_BATCH, DEFAULT_BATCH);
	if (o->batch < o->lanes)
		return thaw_fail(THAW_CONFIG,
				 "%d images per step for %d lanes: --batch: give at least one image per lane, "
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

/* The members of the text in the trained network, with those that it omits. */
static json_t *preprocess_json(const struct thaw_preprocess *p)
{
	char *text = NULL;
	if (thaw_metadata_write_preprocess(&text, p) != THAW_OK)
		return NULL;
	json_t *object = json_loads(text, 0, NULL);
	thaw_free(text);
	json_t *usual = json_pack("{s:s, s:s, s:s}", "mode", thaw_resize_mode_name(THAW_RESIZE_SHORTER), "centre",
				  "even", "channels", "RGB");
	bool complete = json_object_update_missing(object, usual) == 0;
	json_decref(usual);
	if (complete)
		return object;
	json_decref(object);
	return NULL;
}

/* Null for all, as of runs of earlier versions. */
static json_t *tune_json(const struct thaw_tune *tune)
{
	char text[THAW_TUNE_TEXT];
	return tune->kind == THAW_TUNE_ALL ? json_null() : json_string(thaw_tune_text(tune, text, sizeof(text)));
}

/* All settings that decide the result: they must be the same when a run is resumed. Paths may change. */
json_t *run_config_json(const struct run *r)
{
	const struct thaw_train_options *o = &r->options;
	const struct {
		const char *key;
		json_t *value;
	} settings[] = {
		{"variant", json_string(r->model->variant)},
		{"unfreeze", json_string(o->unfreeze)},
		{"tune", tune_json(&r->tune)},
		{"epochs", json_integer(o->epochs)},
		{"head-epochs", json_integer(o->head_epochs)},
		{"lanes", json_integer(o->lanes)},
		{"batch", json_integer(o->batch)},
		{"size", thaw_sizes_json(&r->sizes)},
		{"fixres", json_integer(o->fixres)},
		{"fully-conv", json_boolean(o->fully_conv)},
		{"preprocess", preprocess_json(&r->preprocess)},
		{"seed", json_integer(o->seed)},
		{"optimizer", json_string(o->optimizer)},
		{"lr", json_real(o->lr)},
		{"head-lr", json_real(o->head_lr)},
		{"layer-decay", json_real(o->layer_decay)},
		{"momentum", json_real(o->momentum)},
		{"weight-decay", json_real(o->weight_decay)},
		{"warmup", json_real(o->warmup)},
		{"label-smoothing", json_real(o->label_smoothing)},
		{"loss", json_string(r->objective.text)},
		{"class-weights", thaw_class_weights_json(&r->objective, o->class_weights)},
		{"sampling", json_string(o->sampling)},
		{"dropout", json_real(o->dropout)},
		{"bn", json_string(thaw_bn_name(o->bn))},
		{"precision", json_string(thaw_precision_name(o->precision))},
		{"scale-min", json_real(o->scale_min)},
		{"flip", json_real(o->flip)},
		{"jitter", json_real(o->jitter)},
		{"pad-crop", json_integer(o->pad_crop)},
		{"test-share", json_real(o->test_share)},
		{"per-class", json_integer(o->per_class)},
		{"exclude", run_exclude_json(r)},
		{"views", json_integer(o->views)},
		{"cache-dtype", json_string(o->cache_dtype == THAW_F16 ? "f16" : "f32")},
		{"blas", json_string(openblas_get_corename())},
		{"threads", json_integer(openblas_get_num_threads())},
	};
	json_t *config = json_object();
	bool complete = config != NULL;
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		complete &= json_object_set_new(config, settings[i].key, settings[i].value) == 0;
	if (!complete || !run_add_data(config, r)) {
		json_decref(config);
		return NULL;
	}
	return config;
}

bool run_is_default_objective(const struct run *r, const char *key, const json_t *value)
{
	const char *text = json_string_value(value);
	if (!text || r->train.task != THAW_TASK_CLASS)
		return false;
	return (strcmp(key, "loss") == 0 && strcmp(text, "cross-entropy") == 0) ||
	       (strcmp(key, "class-weights") == 0 && strcmp(text, "none") == 0) ||
	       (strcmp(key, "sampling") == 0 && strcmp(text, "uniform") == 0);
}

bool run_same_setting(const json_t *a, const json_t *b)
{
	return json_equal(a, b) ||
	       (json_is_number(a) && json_is_number(b) && json_number_value(a) == json_number_value(b));
}
