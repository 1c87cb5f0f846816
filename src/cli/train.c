/* thaw train: starts a run, continues it, or says that it is done. */
#include "thaw/train.h"
#include "thaw/transform.h"
#include "thaw/version.h"

#include "src/cli/command.h"
#include "src/cli/progress.h"
#include "src/cli/text.h"

#define MAX_LANES   65536
#define MAX_THREADS 1024
#define BELOW_ONE   0.999999

struct values {
	struct common common;
	struct thaw_train_options train;
	struct interval checkpoint_every;
};

#define AT(field) .offset = offsetof(struct values, train.field)
#define WHAT      "Model and data"
#define HOW       "Training"
#define AUGMENT   "Augmentation"
#define RUN       "Run"

/* A line for what an option is, a line for what it says. */
/* clang-format off */
static const struct option options[] = {
	{.name = "model", .metavar = "M", .type = OPTION_TEXT, AT(model), .section = WHAT,
	 .help = "the network: builtin, an .onnx, .safetensors or .pth file, FAMILY:FILE, a run directory, or a family "
		 "such as resnet18 with random weights"},
	{.name = "data", .metavar = "D", .type = OPTION_TEXT, AT(data), .section = WHAT, .required = true,
	 .help = "a folder with train/ and val/ or test/, one folder of classes, or a folder of IDX or CIFAR files"},
	{.name = "out", .metavar = "RUN", .type = OPTION_TEXT, AT(out), .section = WHAT, .required = true,
	 .help = "the run directory: configuration, metrics, checkpoints, the final model"},
	{.name = "plan", .metavar = "FILE", .type = OPTION_TEXT, AT(plan), .section = WHAT, .absent = "none",
	 .help = "a plan of thaw advise: values for flags that nothing else gives, and a prediction that the run keeps"},
	{.name = "test-share", .metavar = "X", .type = OPTION_REAL, AT(test_share), .section = WHAT, .min = 0,
	 .max = BELOW_ONE,
	 .help = "share of each class held out when D has no test images of its own"},
	{.name = "per-class", .metavar = "N", .type = OPTION_LONG, AT(per_class), .section = WHAT, .min = 0,
	 .max = INFINITY, .absent = "all",
	 .help = "train on only so many images of each class"},
	{.name = "size", .metavar = "S", .type = OPTION_INT, AT(size), .section = WHAT, .min = 0, .max = THAW_MAX_SIDE,
	 .absent = "the network's own",
	 .help = "side of the input in pixels"},

	{.name = "unfreeze", .metavar = "HOW", .type = OPTION_TEXT, AT(unfreeze), .section = HOW,
	 .help = "what trains: head, last:N (N blocks and the classifier), from:BLOCK, or all"},
	{.name = "epochs", .metavar = "N", .type = OPTION_INT, AT(epochs), .section = HOW, .min = 0,
	 .max = INFINITY,
	 .help = "passes over the training images, after the head epochs"},
	{.name = "head-epochs", .metavar = "N", .type = OPTION_INT, AT(head_epochs), .section = HOW, .min = 0,
	 .max = INFINITY,
	 .help = "passes that train the classifier alone first"},
	{.name = "batch", .metavar = "B", .type = OPTION_INT, AT(batch), .section = HOW, .min = 0, .max = INFINITY,
	 .absent = "32, or 4 a lane if that is more",
	 .help = "images per step over all lanes"},
	{.name = "lanes", .metavar = "L", .type = OPTION_INT, AT(lanes), .section = HOW, .min = 0, .max = MAX_LANES,
	 .absent = "8, or the rank count if larger; a run that goes on keeps its own",
	 .help = "slices of a run; the result depends on it and never on the rank count"},
	{.name = "optimizer", .metavar = "NAME", .type = OPTION_TEXT, AT(optimizer), .section = HOW,
	 .choices = "sgd|adamw",
	 .help = "how weights follow gradients"},
	{.name = "lr", .metavar = "X", .type = OPTION_REAL, AT(lr), .section = HOW, .min = 0, .max = INFINITY,
	 .absent = "the optimizer's",
	 .help = "peak learning rate"},
	{.name = "head-lr", .metavar = "X", .type = OPTION_REAL, AT(head_lr), .section = HOW, .min = 0,
	 .max = INFINITY, .absent = "as --lr",
	 .help = "learning rate of the head epochs"},
	{.name = "layer-decay", .metavar = "X", .type = OPTION_REAL, AT(layer_decay), .section = HOW, .min = 0,
	 .max = 1,
	 .help = "each block further from the classifier learns at this factor of the one after it"},
	{.name = "warmup", .metavar = "X", .type = OPTION_REAL, AT(warmup), .section = HOW, .min = 0, .max = 1,
	 .help = "share of the steps in which the learning rate rises"},
	{.name = "momentum", .metavar = "X", .type = OPTION_REAL, AT(momentum), .section = HOW, .min = 0,
	 .max = BELOW_ONE,
	 .help = "of sgd"},
	{.name = "weight-decay", .metavar = "X", .type = OPTION_REAL, AT(weight_decay), .section = HOW, .min = 0,
	 .max = INFINITY, .absent = "the optimizer's",
	 .help = "of weights; biases and norms are spared"},
	{.name = "label-smoothing", .metavar = "X", .type = OPTION_REAL, AT(label_smoothing), .section = HOW,
	 .min = 0, .max = BELOW_ONE,
	 .help = "share of the target given to all classes alike"},
	{.name = "dropout", .metavar = "X", .type = OPTION_REAL, AT(dropout), .section = HOW, .min = 0,
	 .max = BELOW_ONE, .absent = "the network's own",
	 .help = "rate of the network's dropout layers"},
	{.name = "bn", .metavar = "HOW", .type = OPTION_TEXT, AT(bn), .section = HOW, .choices = "frozen|lane",
	 .absent = "frozen if pretrained, else lane",
	 .help = "batch norm of the part that trains: stored statistics, or each lane's"},

	{.name = "scale-min", .metavar = "X", .type = OPTION_REAL, AT(scale_min), .section = AUGMENT, .min = 0.001,
	 .max = 1,
	 .help = "smallest share of the area that a crop takes; 1: no crop"},
	{.name = "flip", .metavar = "X", .type = OPTION_REAL, AT(flip), .section = AUGMENT, .min = 0, .max = 1,
	 .help = "probability of a mirror image"},
	{.name = "jitter", .metavar = "X", .type = OPTION_REAL, AT(jitter), .section = AUGMENT, .min = 0,
	 .max = BELOW_ONE,
	 .help = "strength of changes of brightness, contrast and saturation"},
	{.name = "pad-crop", .metavar = "N", .type = OPTION_INT, AT(pad_crop), .section = AUGMENT, .min = 0,
	 .max = THAW_MAX_SIDE,
	 .help = "instead of scaled crops, pad by so many pixels and crop"},
	{.name = "views", .metavar = "K", .type = OPTION_INT, AT(views), .section = AUGMENT, .min = 0, .max = INFINITY,
	 .absent = "a new view in every epoch",
	 .help = "views of an image that come in turn, the first of them plain: what is frozen then runs K times, not "
		 "in every epoch"},

	{.name = "cache", .metavar = "HOW", .type = OPTION_TEXT, AT(cache), .section = RUN,
	 .help = "room for what the frozen part made of each view: auto (up to half of the free memory), off, or bytes "
		 "per rank such as 4G"},
	{.name = "cache-dir", .metavar = "DIR", .type = OPTION_TEXT, AT(cache_dir), .section = RUN, .absent = "memory",
	 .help = "keep that in files here, which a later start finds again; a fast disk of the node's own"},
	{.name = "cache-dtype", .metavar = "TYPE", .type = OPTION_TEXT, AT(cache_dtype), .section = RUN,
	 .choices = "f32|f16",
	 .help = "f16 keeps it in half the room, rounded"},
	{.name = "resume", .metavar = "HOW", .type = OPTION_TEXT, AT(resume), .section = RUN,
	 .choices = "auto|never",
	 .help = "auto continues what RUN holds; never refuses a RUN that holds something"},
	{.name = "seed", .metavar = "N", .type = OPTION_LONG, AT(seed), .section = RUN, .min = 0, .max = INFINITY,
	 .help = "of everything random"},
	{.name = "eval-every", .metavar = "N", .type = OPTION_INT, AT(eval_every), .section = RUN, .min = 1,
	 .max = INFINITY,
	 .help = "epochs between evaluations; the last one always is evaluated"},
	{.name = "checkpoint-every", .metavar = "STEPS|SECONDSs", .type = OPTION_INTERVAL,
	 .offset = offsetof(struct values, checkpoint_every), .section = RUN, .min = 0, .max = INFINITY,
	 .help = "how often to save within an epoch: 500 is steps, 600s is seconds; the end of an epoch saves too"},
	{.name = "keep", .metavar = "N", .type = OPTION_INT, AT(keep), .section = RUN, .min = 2, .max = INFINITY,
	 .help = "newest checkpoints that stay; the best one stays besides"},
	{.name = "decode-threads", .metavar = "N", .type = OPTION_INT, AT(decode_threads), .section = RUN, .min = 1,
	 .max = MAX_THREADS,
	 .help = "threads that read and decode images, per rank"},
	{.name = "mixed-machines", .type = OPTION_FLAG, AT(mixed_machines), .section = RUN,
	 .help = "allow ranks with different BLAS kernels; the result then depends on who computes what"},
	COMMON_OPTIONS,
};
/* clang-format on */

static void defaults(void *values)
{
	struct values *v = values;
	thaw_train_defaults(&v->train);
	v->checkpoint_every = (struct interval){v->train.checkpoint_steps, v->train.checkpoint_seconds};
}

static void log_configuration(const struct session *session)
{
	if (session->comm->rank != 0)
		return;
	fprintf(stderr, "thaw train %s, %d rank%s\n", THAW_VERSION, session->comm->size,
		session->comm->size == 1 ? "" : "s");
	settings_print(session->settings, stderr);
}

static thaw_status run(struct session *session, const void *values, json_t **result)
{
	const struct values *v = values;
	struct thaw_train_options train = v->train;
	train.checkpoint_steps = v->checkpoint_every.steps;
	train.checkpoint_seconds = v->checkpoint_every.seconds;
	log_configuration(session);

	struct progress progress;
	struct thaw_callbacks callbacks = progress_start(&progress, session->comm->rank == 0 ? stderr : NULL);
	callbacks.stop = stop_requested;
	thaw_status status = thaw_train(session->comm, &train, &callbacks, result);
	progress_end(&progress);
	return status;
}

static void print_prediction(const json_t *result, FILE *out)
{
	const json_t *predicted = json_object_get(result, "predicted");
	const char *came_out = json_is_true(json_object_get(result, "inside")) ? "inside" : "outside";
	if (!json_is_true(json_object_get(result, "as_planned")))
		came_out = "but the run did otherwise than its plan";
	if (predicted)
		fprintf(out, "predicted: top-1 %.2f %% to %.2f %%; %s\n", 100 * member_real(predicted, "low"),
			100 * member_real(predicted, "high"), came_out);
}

static void print(const json_t *result, FILE *out)
{
	char text[32];
	fprintf(out, "%s after %.0f steps", member_text(result, "status"), member_real(result, "steps"));
	if (json_object_get(result, "seconds"))
		fprintf(out, ", %s", text_duration(member_real(result, "seconds"), text, sizeof(text)));
	fputc('\n', out);
	print_prediction(result, out);
	print_metrics(result, out);
}

const struct command command_train = {
	.name = "train",
	.usage = "[--model M] --data D --out RUN [flags]",
	.summary = "fine-tune a network; the same command continues a run that was stopped",
	.about = "Trains the part of the network that --unfreeze names. The run directory holds everything of the run: "
		 "started again with the same arguments, thaw train goes on from the newest checkpoint, or says that "
		 "the run is done. Asked to stop (SIGTERM, SIGINT, SIGUSR1) it saves and ends with exit code 75.",
	.argument = "",
	.options = options,
	.size = sizeof(struct values),
	.defaults = defaults,
	.stops = true,
	.run = run,
	.print = print,
};
