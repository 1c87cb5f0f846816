/* Operators: what a node of a network computes, forward and backward. This header is the contract between an operator
 * and the executors that call it.
 *
 * An operator is one file in src/ops, which defines one struct thaw_op, and one line in src/ops/list.h. It depends on
 * shapes and values only, not on graphs, executors or ranks. The order of calls is
 *
 *     infer, workspace         once per node and image size
 *     pack                     once, if the node's parameters are frozen
 *     forward, backward        per batch; backward only in training
 *
 * Tensors are fp32; x and y may be stored in bfloat16 where an operator declares that it takes that. Gradients and
 * parameters are fp32 always. Images are (N,H,W,C). Pointers in a call are valid, 64-byte aligned and do not overlap,
 * unless said otherwise below.
 */
#ifndef THAW_OPS_H
#define THAW_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "thaw/api.h"
#include "thaw/error.h"
#include "thaw/tensor.h"

THAW_BEGIN_DECLS

/* Most parameters that a node can have: conv_norm has weight, scale, shift, mean, variance and bias. */
#define THAW_MAX_PARAMS 6

/* Of a network: of its products, and of the values between its nodes. */
enum thaw_precision {
	THAW_PRECISION_FP32,
	THAW_PRECISION_BF16, /* factors, and values between nodes, are rounded to bfloat16; sums are fp32 */
	THAW_PRECISIONS
};

enum thaw_activation { THAW_ACT_NONE, THAW_ACT_RELU, THAW_ACT_RELU6, THAW_ACTIVATIONS };

/* The functions of `pointwise`; alpha and beta are attributes. */
enum thaw_function {
	THAW_FN_SIGMOID,
	THAW_FN_TANH,
	THAW_FN_SILU,             /* x * sigmoid(x) */
	THAW_FN_GELU,             /* x * (1 + erf(x / sqrt 2)) / 2 */
	THAW_FN_GELU_TANH,        /* GELU approximated by tanh */
	THAW_FN_HARD_SIGMOID,     /* alpha * x + beta, clamped to 0..1 */
	THAW_FN_HARD_SWISH,       /* x * hard_sigmoid(x) with alpha 1/6, beta 1/2 */
	THAW_FN_LEAKY_RELU,       /* alpha * x below 0 */
	THAW_FN_ELU,              /* alpha * (exp(x) - 1) below 0 */
	THAW_FN_SELU,             /* beta * elu(x) */
	THAW_FN_CELU,             /* alpha * (exp(x / alpha) - 1) below 0 */
	THAW_FN_THRESHOLDED_RELU, /* x above alpha, else 0 */
	THAW_FN_SHRINK,           /* x + beta below -alpha, x - beta above alpha, else 0 */
	THAW_FN_SOFTPLUS,         /* log(1 + exp(x)) */
	THAW_FN_SOFTSIGN,         /* x / (1 + |x|) */
	THAW_FN_MISH,             /* x * tanh(softplus(x)) */
	THAW_FN_CLIP,             /* clamped to alpha..beta */
	THAW_FN_AFFINE,           /* alpha * x + beta */
	THAW_FN_POWER,            /* x ^ alpha */
	THAW_FN_ABS,
	THAW_FN_EXP,
	THAW_FN_LOG,
	THAW_FN_SQRT,
	THAW_FN_RECIPROCAL,
	THAW_FN_ERF,
	THAW_FN_FLOOR,
	THAW_FN_CEIL,
	THAW_FN_ROUND, /* half to even */
	THAW_FN_SIGN,
	THAW_FN_SIN,
	THAW_FN_COS,
	THAW_FN_TAN,
	THAW_FN_ASIN,
	THAW_FN_ACOS,
	THAW_FN_ATAN,
	THAW_FN_SINH,
	THAW_FN_COSH,
	THAW_FN_ASINH,
	THAW_FN_ACOSH,
	THAW_FN_ATANH,
	THAW_FUNCTIONS
};

/* The functions of `binary`, of two elements a of x[0] and b of x[1]. */
enum thaw_binary {
	THAW_BINARY_ADD,
	THAW_BINARY_SUB,
	THAW_BINARY_MUL,
	THAW_BINARY_DIV,
	THAW_BINARY_POW,
	THAW_BINARY_MIN,
	THAW_BINARY_MAX,
	THAW_BINARY_PRELU, /* a above 0, else a * b */
	THAW_BINARIES
};

/* How `reduce` combines the elements along its axes. */
enum thaw_reduction {
	THAW_REDUCE_MEAN,
	THAW_REDUCE_SUM,
	THAW_REDUCE_MAX,
	THAW_REDUCE_MIN,
	THAW_REDUCE_PROD,
	THAW_REDUCE_L1,
	THAW_REDUCE_L2,
	THAW_REDUCE_SUM_SQUARE,
	THAW_REDUCE_LOG_SUM,
	THAW_REDUCE_LOG_SUM_EXP,
	THAW_REDUCTIONS
};

/* The values that `pad` adds. */
enum thaw_padding {
	THAW_PAD_CONSTANT,
	THAW_PAD_REFLECT,
	THAW_PAD_EDGE,
};

#define THAW_MAX_FACTORS 12

/* A rearrangement as in einops: the axes of x are split into factors, a range is taken from each factor, and the
 * factors are merged, in another order, into the axes of y. "b (h i) (w j) c -> (b h w) i j c" has seven factors. */
struct thaw_factors {
	int count;                      /* number of factors */
	int ndim;                       /* of y; an axis of y without a factor has size 1 */
	int axis[THAW_MAX_FACTORS];     /* of x; factors are listed in the order of x's axes, slowest first */
	int64_t size[THAW_MAX_FACTORS]; /* 0: the rest of the axis, for at most one factor of each axis */
	/* The range: `take` elements of the factor, start, start + step, ... take 0: as many as there are; a negative
	 * start counts from the end; step 0 means 1. */
	int64_t start[THAW_MAX_FACTORS], step[THAW_MAX_FACTORS], take[THAW_MAX_FACTORS];
	int order[THAW_MAX_FACTORS];  /* factors of y, slowest first: indices into x's factors */
	int target[THAW_MAX_FACTORS]; /* axis of y that order[k] is merged into; never decreases with k */
};

/* Attributes of a node. Zero means absent. The comment at the top of each operator's file lists those that it reads. */
struct thaw_attrs {
	/* Convolution and pooling. [0] is y (down), [1] is x (across). */
	int kernel[2], stride[2], dilation[2]; /* 0 means 1; pooling: kernel 0 is adaptive or global */
	int pad[4];                            /* top, left, bottom, right */
	bool same;       /* instead of pad: TensorFlow's SAME, output = ceil(input / stride); an odd pixel of padding is
			  * at the bottom and right */
	bool same_lower; /* with same: an odd pixel of padding is at the top and left */
	int groups;      /* convolution; 0 means 1 */
	int output[2];   /* adaptive pooling: output height and width */
	bool pad_counts; /* average pooling: padding counts in the divisor */
	bool ceil_mode;  /* pooling: round the output size up */

	enum thaw_precision precision; /* of products; a kernel without such a path computes in fp32 */

	/* Activations and functions. */
	enum thaw_activation activation; /* applied to the result, after the residual */
	enum thaw_function function;     /* pointwise */
	enum thaw_binary binary;
	float alpha, beta; /* parameters of `function`; local_response_norm; constant: see src/graph/positions.c */

	/* Normalisation and dropout. */
	float epsilon;         /* batch, layer and local response norm */
	float momentum;        /* batch norm; read by the trainer, not by the operator */
	bool batch_statistics; /* batch norm: in training, normalise by the batch instead of by the moving statistics */
	float rate;            /* dropout: probability that a feature is zeroed */
	int stream;            /* dropout: distinguishes the dropouts of a network, whose masks must differ; any number
				* that is unique in the network, such as the node's index */

	/* Products of matrices. */
	int heads;         /* attention */
	float scale;       /* factor of the products; 0 means 1 in matmul, 1 / sqrt(size of a head) in attention */
	bool transpose[2]; /* matmul: the last two axes of x[k] are exchanged */

	/* Axes and layout. */
	int axis;                      /* concat, gather */
	unsigned axes;                 /* reduce: bit k selects axis k */
	enum thaw_reduction reduction; /* reduce */
	enum thaw_padding padding;     /* pad */
	int64_t before[THAW_MAX_DIMS]; /* pad: elements added before each axis; negative: removed */
	int64_t after[THAW_MAX_DIMS];  /* pad: elements added after each axis; negative: removed */
	float fill;                    /* pad: the constant */
	struct thaw_factors factors;   /* rearrange, reshape */
};

/* Everything about a node that is known before there is data. */
struct thaw_op_desc {
	const struct thaw_attrs *attrs;
	int inputs;
	const struct thaw_shape *x; /* [inputs] */
	int params;
	const struct thaw_shape *param; /* [params], in the operator's layout */
	struct thaw_shape y;            /* the output; not set when `infer` is called */
	bool training;                  /* forward calls are followed by backward calls */
	bool frozen;                    /* no parameter will change: `pack` may be called once for all calls */
};

/* Bytes that the calls for one descriptor need. */
struct thaw_op_workspace {
	size_t saved;            /* written by forward, read by the backward call that follows */
	size_t scratch_forward;  /* undefined before and after a call */
	size_t scratch_backward; /* the same */
	size_t packed;           /* written by `pack`; only where desc.frozen */
};

/* Arguments of one call. All memory belongs to the caller.
 *
 * The first dimension of a value that depends on the images is a multiple of their number (for example all windows of
 * all images). It may be smaller than in the descriptor, or 0, but not larger. Other values, computed from parameters
 * alone, have the descriptor's shape. */
struct thaw_op_args {
	const struct thaw_attrs *attrs;
	int inputs;
	const struct thaw_view *x; /* [inputs]; backward: shapes, and data if the operator has THAW_READS_X */
	struct thaw_view y;        /* backward: shape, and data if the operator has THAW_READS_Y */
	int params;
	const struct thaw_view *param; /* [params] */
	void *saved;                   /* [workspace.saved] bytes */
	void *scratch;                 /* [workspace.scratch_forward or .scratch_backward] bytes */
	const void *packed;            /* what `pack` wrote, or NULL: forward must work without it */
	bool training;                 /* as in the descriptor */
	const uint64_t *sample_key;    /* [N], a random key per image, for operators with `draws`; or NULL */

	/* Backward only. */
	float *dy;            /* gradient of y, in y's shape; an operator may write to it only if it is `in_place` or
			       * `overwrites_dy` */
	float *const *dx;     /* [inputs]; gradient of x[i], or NULL where it is not needed */
	const bool *dx_add;   /* [inputs]; true: add to dx[i]; false: overwrite it */
	float *const *dparam; /* [params]; gradient of param[i], or NULL where it is frozen. Added to, unless the
			       * operator `overwrites_dparam`. Of moving statistics: N * the batch's statistic. */
};

/* What backward reads of the forward pass. */
enum { THAW_READS_X = 1, THAW_READS_Y = 2 };

/* A configuration that tests/unit/test_ops.c runs. */
struct thaw_op_case {
	const char *name;
	struct thaw_attrs attrs;
	int inputs;
	struct thaw_shape x[4];
	int params;
	struct thaw_shape param[THAW_MAX_PARAMS];
	int64_t images;   /* of the batch; 0: the smallest first dimension of inputs that are not fixed */
	unsigned fixed;   /* bit k: x[k] is computed from parameters alone, so its shape does not follow the batch;
			   * inputs whose first dimension is not a multiple of `images` are fixed too */
	unsigned indices; /* bit k: x[k] holds integers and receives no gradient */
	/* Values of the inputs. */
	float low, high; /* their range; both 0: -1 to 1 */
	int kinks;       /* number of points where the slope jumps; values keep away from them */
	float kink[4];
	bool distinct; /* no two values are close: for operators that pick the largest */
};

/* An operator. Only `infer` can fail: whatever the other callbacks rely on is checked there. Operators keep no state
 * between calls except in `saved` and `packed`. */
struct thaw_op {
	const char *name; /* "conv", "batch_norm", ... */
	int min_inputs, max_inputs;
	const char *const *param_names; /* NULL-terminated, at most THAW_MAX_PARAMS: "weight", "bias", ...; a node may
					 * omit the last ones */

	/* Called before all others, for each node and image size. Validates attributes and shapes, and writes the
	 * output shape to *y. desc->y is not set. THAW_CONFIG with a message if they do not fit, such as an image that
	 * is too small. */
	thaw_status (*infer)(const struct thaw_op_desc *desc, struct thaw_shape *y);

	/* Called after `infer`, with desc->y set. Writes the memory that calls for `desc` need; *need is zeroed before.
	 * NULL: no memory. */
	void (*workspace)(const struct thaw_op_desc *desc, struct thaw_op_workspace *need);

	/* Called once per set of frozen parameters, before forward. Writes the parameters to packed[workspace.packed
	 * bytes] in the form that forward computes with fastest. May read attrs, x[i].shape, y.shape and param. NULL,
	 * or workspace.packed 0: not called. */
	void (*pack)(const struct thaw_op_args *args, void *packed);

	/* Called once per batch. Must write all of y and, if args->training, whatever backward needs to `saved`. The
	 * result has the same bits with and without args->packed. */
	void (*forward)(const struct thaw_op_args *args);

	/* Called at most once after each forward call with args->training, with the same `saved`. Reads of the forward
	 * pass only what backward_reads names. Must write every dx[i] and dparam[i] that is not NULL, also for a batch
	 * of 0 images. Gradients are those of the sum over images. */
	void (*backward)(const struct thaw_op_args *args);

	/* Called by tests only: the forward pass as plain loops in double precision. Kept simple on purpose. */
	void (*reference)(const struct thaw_op_args *args);

	/* Twice the multiply-adds of one forward call, with desc->y set. NULL: one per output element. */
	int64_t (*flops)(const struct thaw_op_desc *desc);

	/* What graph passes may fuse. */
	bool activates; /* applies attrs.activation to its result. If that is THAW_ACT_NONE, backward does not read y */
	bool adds;      /* adds an optional last input x[1], of y's shape, before the activation; backward does not
			 * read it */
	bool parameter; /* y is the first parameter itself: executors read it in place and do not call forward */
	bool draws;     /* random in training; reads sample_key */
	bool rounds;    /* reads attrs.precision */

	/* Takes each of x and y in fp32 or in bfloat16. For other operators executors expand x and round y. */
	bool bf16;

	/* How executors may lay out memory. */
	unsigned backward_reads; /* THAW_READS_X | THAW_READS_Y; the other data pointers may be invalid in backward */
	bool x_for_weight;       /* backward reads x for the gradient of the first parameter only */
	bool in_place;           /* y may be x[0]'s memory, and dx[0] may be dy's */
	bool overwrites_dy;      /* backward uses dy as working memory */
	bool overwrites_dparam; /* backward writes all of dparam and does not read it, which saves zeroing large ones */

	/* Tests. */
	const struct thaw_op_case *cases; /* [case_count] */
	int case_count;
};

/* The operator called `name`, or NULL. */
const struct thaw_op *thaw_op_find(const char *name);
/* All operators, NULL-terminated. */
extern const struct thaw_op *const thaw_ops[];

/* Softmax cross-entropy with label smoothing, as PyTorch's CrossEntropyLoss(reduction="sum").
 * logits (N,C); label[n] in 0..C-1; smoothing in [0,1).
 * dlogits (N,C), or NULL, receives the gradient of the sum. loss_sum and correct (number of top-1 hits; the first of
 * equal logits is the prediction) are overwritten. */
void thaw_cross_entropy(const float *logits, int64_t n, int64_t classes, const int32_t *label, float smoothing,
			float *dlogits, double *loss_sum, int64_t *correct);

/* probability[n] = 1 / (1 + exp(-logits[n])); may be the same memory. */
void thaw_sigmoids(const float *logits, int64_t n, float *probability);
/* The sum over the images of the mean over the classes of the binary cross-entropy between the sigmoids of logits (N,C)
 * and one-hot labels label[N]. */
double thaw_binary_cross_entropy(const float *logits, int64_t n, int64_t classes, const int32_t *label);
/* probability (N,C) = softmax of logits (N,C); may be the same memory. */
void thaw_softmax(const float *logits, int64_t n, int64_t classes, float *probability);

THAW_END_DECLS

#endif
