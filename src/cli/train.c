/* thaw train: starts a run, continues it, or reports that it is complete. */
#include "thaw/train.h"

#include <string.h>

#include "src/cli/command.h"
#include "src/cli/common_options.h"
#include "src/cli/data_options.h"
#include "src/cli/deadline.h"
#include "src/cli/display_text.h"
#include "src/cli/image_options.h"
#include "src/cli/log.h"
#include "src/cli/progress.h"
#include "src/cli/result.h"
#include "src/cli/signals.h"
#include "src/cli/suggest.h"
#include "thaw/version.h"

struct values {
	struct common common;
	struct thaw_train_options train;
	struct interval checkpoint_every;
	const char *bn, *precision, *resume, *cache_dtype; /* words for the enums of `train` */
	const char *time_limit;                            /* NULL: not given */
};

#define OFFSET(field)    offsetof(struct values, train.field)
#define AT(field)        .offset = OFFSET(field)
#define SAVES_RESERVED   2.0  /* before the deadline: so many times what a checkpoint takes */
#define SECONDS_RESERVED 15.0 /* and so much for the end of all processes, and a step of other ranks */
#define LARGEST_LR       10   /* more is a mistake: a typical rate is 0.01 */
#define WHAT             "Model and data"
#define HOW              "Training"
#define AUGMENT          "Augmentation"
#define RUN              "Run"

/* The default learning rate and weight decay of the chosen optimizer. */
static const char *default_lr(const void *values, char *text, size_t size)
{
	const struct values *v = values;
	snprintf(text, size, "%g", thaw_optimizer_find(v->train.optimizer)->default_lr);
	return text;
}

static const char *default_weight_decay(const void *values, char *text, size_t size)
{
	const struct values *v = values;
	snprintf(text, size, "%g", thaw_optimizer_find(v->train.optimizer)->default_weight_decay);
	return text;
}

static thaw_status check_time_limit(const char *text, const char *place)
{
	return deadline_parse(text, place, NULL);
}

/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, AT(model), .section = WHAT,
	 .help = "network: builtin, an .onnx, .safetensors or .pth file, FILE.onnx:OUTPUT for another output, FAMILY:FILE, a run "
		 "directory, or a family such as resnet18 with random weights"},
	WEIGHTS_KEY_OPTION(WHAT, OFFSET(weights_key)),
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, AT(data), .section = WHAT, .required = true,
	 .unless = "manifest",
	 .help = "folder with train/, val/ and test/, folder of class folders, of tar shards, of IDX or CIFAR files, or a manifest"},
	MANIFEST_OPTIONS(WHAT, OFFSET(manifest)),
	{.name = "out", .metavar = "RUN", .type = OPTION_TEXT, AT(out), .section = WHAT, .required = true,
	 .help = "run directory: configuration, metrics, checkpoints, final model"},
	{.name = "plan", .metavar = "FILE", .type = OPTION_TEXT, AT(plan), .section = WHAT, .absent = "none",
	 .help = "plan written by thaw advise: values of flags that are not given otherwise, and a prediction that is "
		 "stored with the run"},
	EXCLUDE_OPTION(WHAT, OFFSET(exclude), ""),
	TEST_SHARE_OPTION(WHAT, OFFSET(test_share), ""),
	PARTS_OPTIONS(WHAT, OFFSET(parts)),
	PER_CLASS_OPTION(WHAT, OFFSET(per_class), "all", "train on at most N images of each class"),
	{.name = "max-damaged", .metavar = "X", .type = OPTION_REAL, AT(max_damaged), .section = WHAT, .min = 0, .max = 1,
	 .absent = "a tenth, but at least 10 images",
	 .help = "fraction of the images that may be damaged, missing or unreadable; they are skipped, more stop the run"},
	{.name = "size", .metavar = "S", .type = OPTION_TEXT, AT(size), .section = WHAT, .check = check_sizes,
	 .absent = "from the network",
	 .help = "size of the input images in pixels: a side, HEIGHTxWIDTH such as 224x288, a range such as 160-288 (one "
		 "size per step and lane), 128:224 (growing from the first epoch to the last), or native (each image's own)"},
	{.name = "max-size", .metavar = "N", .type = OPTION_INT, AT(max_size), .section = WHAT, .min = 0,
	 .max = THAW_MAX_SIDE, .absent = "twice that of the network",
	 .help = "with --size native: longest side of the input images; larger ones are reduced"},
	{.name = "eval-size", .metavar = "S", .type = OPTION_TEXT, AT(eval_size), .section = WHAT, .check = check_size,
	 .absent = "as --size, the middle of a range, or the last",
	 .help = "size of the images in evaluations, and of the trained network"},
	FULLY_CONV_OPTION(WHAT, OFFSET(fully_conv)),
	PREPROCESS_OPTIONS(WHAT, OFFSET(images)),

	{.name = "unfreeze", .metavar = "HOW", .type = OPTION_TEXT, AT(unfreeze), .section = HOW,
	 .check = suggest_unfreeze,
	 .help = "what to train: head, head+norms (with the norms of the last block), last:N (the last N blocks and the classifier), "
		 "from:BLOCK, or all"},
	TUNE_OPTION(HOW, OFFSET(tune)),
	{.name = "epochs", .metavar = "N", .type = OPTION_INT, AT(epochs), .section = HOW, .min = 0,
	 .max = INFINITY,
	 .help = "passes over the training images, after the head epochs"},
	{.name = "head-epochs", .metavar = "N", .type = OPTION_INT, AT(head_epochs), .section = HOW, .min = 0,
	 .max = INFINITY,
	 .help = "passes at the start that train only the classifier"},
	{.name = "fixres", .metavar = "N", .type = OPTION_INT, AT(fixres), .section = HOW, .min = 0, .max = INFINITY,
	 .help = "passes at the end that train the classifier and the last norms on images prepared as for the evaluation, "
		 "at --head-lr"},
	{.name = "batch", .metavar = "B", .type = OPTION_INT, AT(batch), .section = HOW, .min = 0, .max = INFINITY,
	 .absent = "32, or 4 per lane if that is more",
	 .help = "images per step over all lanes"},
	LANES_OPTION(HOW, OFFSET(lanes), DEFAULT_LANES_TEXT "; a resumed run keeps its lanes",
		     "data slices of the run; the result depends on them, not on the rank count"),
	{.name = "optimizer", .metavar = "NAME", .type = OPTION_TEXT, AT(optimizer), .section = HOW,
	 .choices = "sgd|adamw",
	 .help = "optimizer"},
	{.name = "lr", .metavar = "X", .type = OPTION_REAL, AT(lr), .section = HOW, .min = 0, .max = LARGEST_LR,
	 .absent = "0.01 for sgd, 0.0003 for adamw", .resolved = default_lr,
	 .help = "peak learning rate"},
	{.name = "head-lr", .metavar = "X", .type = OPTION_REAL, AT(head_lr), .section = HOW, .min = 0,
	 .max = LARGEST_LR, .absent = "same as --lr",
	 .help = "learning rate of the head epochs"},
	{.name = "layer-decay", .metavar = "X", .type = OPTION_REAL, AT(layer_decay), .section = HOW, .min = 0,
	 .max = 1,
	 .help = "learning rate factor from each block to the block before it"},
	{.name = "warmup", .metavar = "X", .type = OPTION_REAL, AT(warmup), .section = HOW, .min = 0, .max = 1,
	 .help = "fraction of the steps in which the learning rate rises"},
	{.name = "momentum", .metavar = "X", .type = OPTION_REAL, AT(momentum), .section = HOW, .min = 0,
	 .max = BELOW_ONE,
	 .help = "momentum of sgd"},
	{.name = "weight-decay", .metavar = "X", .type = OPTION_REAL, AT(weight_decay), .section = HOW, .min = 0,
	 .max = 1, .absent = "0.0001 for sgd, 0.01 for adamw", .resolved = default_weight_decay,
	 .help = "weight decay; not applied to biases and norms"},
	{.name = "label-smoothing", .metavar = "X", .type = OPTION_REAL, AT(label_smoothing), .section = HOW,
	 .min = 0, .max = BELOW_ONE,
	 .help = "fraction of the target that is spread evenly over all classes"},
	{.name = "loss", .metavar = "NAME[:X]", .type = OPTION_TEXT, AT(loss), .section = HOW,
	 .absent = "cross-entropy; mse for numbers",
	 .help = "cross-entropy or focal[:GAMMA] (2) of classes and labels, cross-entropy of grades, mse or huber[:DELTA] (1 "
		 "standard deviation) of numbers"},
	{.name = "class-weights", .metavar = "W", .type = OPTION_TEXT, AT(class_weights), .section = HOW, .absent = "none",
	 .help = "factors of the loss: balanced (inverse to the images of a class), numbers separated by commas in the order "
		 "of the classes, or a JSON file {\"CLASS\": NUMBER}"},
	{.name = "sampling", .metavar = "HOW", .type = OPTION_TEXT, AT(sampling), .section = HOW,
	 .choices = "uniform|balanced",
	 .help = "uniform: each image once per epoch; balanced: as many images of each class, with repeats of rare ones"},
	{.name = "dropout", .metavar = "X", .type = OPTION_REAL, AT(dropout), .section = HOW, .min = 0,
	 .max = BELOW_ONE, .absent = "from the network",
	 .help = "rate of the network's dropout layers"},
	{.name = "bn", .metavar = "HOW", .type = OPTION_TEXT, .offset = offsetof(struct values, bn), .section = HOW, .choices = "frozen|lane",
	 .absent = "frozen if pretrained, else lane",
	 .help = "batch norm in the trained part: stored statistics, or those of each lane's batch"},
	PRECISION_OPTION(HOW, offsetof(struct values, precision), NULL),

	{.name = "scale-min", .metavar = "X", .type = OPTION_REAL, AT(scale_min), .section = AUGMENT, .min = 0.001,
	 .max = 1,
	 .help = "smallest fraction of the image area that a random crop covers; 1: no crop"},
	{.name = "flip", .metavar = "X", .type = OPTION_REAL, AT(flip), .section = AUGMENT, .min = 0, .max = 1,
	 .help = "probability of a horizontal flip"},
	{.name = "jitter", .metavar = "X", .type = OPTION_REAL, AT(jitter), .section = AUGMENT, .min = 0,
	 .max = BELOW_ONE,
	 .help = "strength of random changes of brightness, contrast and saturation"},
	{.name = "pad-crop", .metavar = "N", .type = OPTION_INT, AT(pad_crop), .section = AUGMENT, .min = 0,
	 .max = THAW_MAX_SIDE,
	 .help = "instead of scaled crops, pad by N pixels and crop at a random position"},
	{.name = "views", .metavar = "K", .type = OPTION_INT, AT(views), .section = AUGMENT, .min = 0, .max = INFINITY,
	 .absent = "new view in every epoch",
	 .help = "use K fixed views of each image in turn, the first without augmentation; the frozen part then runs K "
		 "times per image, not once per epoch"},

	RECOMPUTE_OPTION(RUN, OFFSET(recompute)),
	{.name = "cache", .metavar = "HOW", .type = OPTION_TEXT, AT(cache), .section = RUN,
	 .help = "size of the cache for outputs of the frozen part, in memory or, with --cache-dir, on disk: auto (up to "
		 "half of the free memory or disk space), off, or bytes per rank such as 4G"},
	{.name = "cache-dir", .metavar = "DIR", .type = OPTION_TEXT, AT(cache_dir), .section = RUN, .absent = "memory",
	 .help = "store these outputs in files in DIR, reused by later starts; best on a fast local disk"},
	{.name = "cache-dtype", .metavar = "TYPE", .type = OPTION_TEXT, .offset = offsetof(struct values, cache_dtype), .section = RUN,
	 .choices = "f32|f16",
	 .help = "data type of these outputs; f16 halves their size and rounds them"},
	{.name = "resume", .metavar = "HOW", .type = OPTION_TEXT, .offset = offsetof(struct values, resume), .section = RUN,
	 .choices = "auto|never",
	 .help = "auto: continue the run in RUN, if there is one; never: fail if there is one"},
	SEED_OPTION(RUN, OFFSET(seed), "seed of all random numbers"),
	{.name = "eval-every", .metavar = "N", .type = OPTION_INT, AT(eval_every), .section = RUN, .min = 1,
	 .max = INFINITY,
	 .help = "epochs between evaluations; the last epoch is always evaluated"},
	{.name = "checkpoint-every", .metavar = "STEPS|SECONDSs", .type = OPTION_INTERVAL,
	 .offset = offsetof(struct values, checkpoint_every), .section = RUN, .min = 0, .max = INFINITY,
	 .help = "interval of checkpoints within an epoch: 500 is steps, 600s is seconds (the first after 30s); each epoch also "
		 "ends with one"},
	{.name = "keep", .metavar = "N", .type = OPTION_INT, AT(keep), .section = RUN, .min = 2, .max = INFINITY,
	 .help = "number of newest checkpoints to keep, in addition to the best one"},
	DECODE_THREADS_OPTION(RUN, OFFSET(decode_threads)),
	STAGE_OPTION(RUN, OFFSET(stage)),
	STAGE_LIMIT_OPTION(RUN, OFFSET(stage_limit)),
	{.name = "time-limit", .metavar = "TIME", .type = OPTION_TEXT, .offset = offsetof(struct values, time_limit), .section = RUN,
	 .check = check_time_limit, .absent = "from Slurm or Torque",
	 .help = "when the job will be ended, from now: minutes, H:M:S or D-H:M:S; the run saves and stops in time"},
	{.name = "mixed-machines", .type = OPTION_FLAG, AT(mixed_machines), .section = RUN,
	 .help = "allow ranks with different BLAS kernels; the result then depends on the placement of ranks"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_train_defaults(&v->train);
	v->checkpoint_every = (struct interval){v->train.checkpoint_steps, v->train.checkpoint_seconds};
	v->precision = "fp32";
	v->resume = "auto";
	v->cache_dtype = "f32";
}

/* The callbacks of a run. The list of settings is printed before the first other line, so that an error found before
 * the training starts comes alone. */
struct run_log {
	struct progress progress;
	struct thaw_callbacks inner; /* that write; their context is `progress` */
	const struct settings *settings;
	int ranks;
	bool begun;
	struct deadline deadline;
	double reserve; /* seconds before the deadline at which the run stops */
	bool writes;    /* this is rank 0 */
	bool trained;   /* the first step was begun */
	bool late;      /* the deadline is that near */
};

static void begin_log(struct run_log *log)
{
	if (log->begun)
		return;
	log->begun = true;
	fprintf(stderr, "thaw train %s, %d rank%s\n", THAW_VERSION, log->ranks, log->ranks == 1 ? "" : "s");
	settings_print(log->settings, stderr);
}

static void show_progress(void *context, const struct thaw_train_progress *p)
{
	struct run_log *log = context;
	begin_log(log);
	log->inner.progress(log->inner.context, p);
}

static void write_line(void *context, const char *line)
{
	struct run_log *log = context;
	begin_log(log);
	log->inner.log(log->inner.context, line);
}

/* The first step begins. */
static void begin_training(void *context)
{
	struct run_log *log = context;
	char left[32], line[160];
	thaw_signals_exit(NULL);
	log->trained = true;
	if (!log->writes || !(log->deadline.end > 0.0))
		return;
	snprintf(line, sizeof(line), "the job ends in %s (%s): the run saves and stops %.0f s before",
		 text_duration(fmax(deadline_left(&log->deadline), 0.0), left, sizeof(left)), log->deadline.source,
		 log->reserve);
	write_line(log, line);
}

static void set_reserve(void *context, double seconds)
{
	struct run_log *log = context;
	log->reserve = SAVES_RESERVED * seconds + SECONDS_RESERVED;
}

/* On every rank: the first whose clock reaches the time stops all. */
static bool should_stop(void *context)
{
	struct run_log *log = context;
	if (thaw_stop_requested() != 0)
		return true;
	if (log->late || deadline_left(&log->deadline) > log->reserve)
		return log->late;
	log->late = true;
	if (log->writes)
		write_line(log, "the job ends soon: saving the state");
	return true;
}

static struct thaw_callbacks open_log(struct run_log *log, const struct session *session, const char *time_limit)
{
	bool writes = session->comm->rank == 0;
	*log = (struct run_log){.settings = session->settings,
				.ranks = session->comm->size,
				.deadline = deadline_find(time_limit),
				.reserve = SECONDS_RESERVED,
				.writes = writes};
	log->inner = progress_start(&log->progress, writes ? stderr : NULL);
	return (struct thaw_callbacks){.context = log,
				       .stop = should_stop,
				       .begin = begin_training,
				       .save_cost = set_reserve,
				       .progress = writes ? show_progress : NULL,
				       .log = writes ? write_line : NULL};
}

/* The options as the library takes them; the choices of each word were checked. */
static struct thaw_train_options train_options(const struct values *v)
{
	struct thaw_train_options o = v->train;
	o.checkpoint_steps = v->checkpoint_every.steps;
	o.checkpoint_seconds = v->checkpoint_every.seconds;
	o.size = o.size && strcmp(o.size, "0") != 0 ? o.size : NULL;
	o.eval_size = o.eval_size && strcmp(o.eval_size, "0") != 0 ? o.eval_size : NULL;
	if (v->bn)
		o.bn = strcmp(v->bn, "lane") == 0 ? THAW_BN_LANE : THAW_BN_FROZEN;
	o.precision = thaw_precision_find(v->precision);
	o.resume = strcmp(v->resume, "never") == 0 ? THAW_RESUME_NEVER : THAW_RESUME_AUTO;
	o.cache_dtype = strcmp(v->cache_dtype, "f16") == 0 ? THAW_F16 : THAW_F32;
	return o;
}

static thaw_status run_train(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_train_options train = train_options(v);
	struct run_log log;
	struct thaw_callbacks callbacks = open_log(&log, session, v->time_limit);
	thaw_status status = thaw_train(session->comm, &train, &callbacks, result);
	progress_end(&log.progress);
	if (status == THAW_OK && !log.trained)
		log_line(session->comm, "this run is already done: %s", train.out);
	return status;
}

static void print_prediction(const json_t *result, FILE *out)
{
	const json_t *predicted = json_object_get(result, "predicted");
	const char *outcome = json_is_true(json_object_get(result, "inside")) ? "inside" : "outside";
	if (!json_is_true(json_object_get(result, "as_planned")))
		outcome = "not comparable: the run did not follow its plan";
	if (predicted)
		fprintf(out, "predicted: top-1 %.2f %% to %.2f %%; %s\n", 100 * member_real(predicted, "low"),
			100 * member_real(predicted, "high"), outcome);
}

static void print_train(const json_t *result, FILE *out)
{
	char text[32];
	fprintf(out, "%s after %.0f steps", member_text(result, "status"), member_real(result, "steps"));
	if (json_object_get(result, "seconds"))
		fprintf(out, ", %s", text_duration(member_real(result, "seconds"), text, sizeof(text)));
	fputc('\n', out);
	print_prediction(result, out);
	print_metrics(result, out);
	size_t i;
	json_t *warning;
	json_array_foreach(json_object_get(result, "warnings"), i, warning)
	{
		fprintf(out, "warning: %s\n", json_string_value(warning));
	}
}

const struct command command_train = {
	.name = "train",
	.usage = "[--model M] --data D --out RUN [flags]",
	.summary = "fine-tune a network, or continue an interrupted run",
	.about = "Trains the part of the network selected by --unfreeze. The run directory holds the state of the run: "
		 "started again with the same arguments, thaw train continues from the newest checkpoint, or reports "
		 "that the run is complete. On SIGTERM, SIGINT or SIGUSR1 it saves and exits with code 75.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.ends = "thaw: asked to stop before the first step: nothing is lost: run the same command again",
	.stops = "asked to stop: saving the state; unless a line says that it is saved, the job was killed first",
	.run = run_train,
	.print = print_train,
};
