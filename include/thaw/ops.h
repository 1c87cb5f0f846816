/* Operators: what a node of a network computes, forward and backward.
 *
 * An operator is one file in src/ops and one line in src/ops/list.h. It knows shapes and
 * arithmetic, nothing of graphs, memory plans or ranks. All tensors are fp32, images are (N,H,W,C),
 * and every pointer in a call is valid, 64-byte aligned and free of overlap unless said otherwise.
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

#define THAW_MAX_PARAMS \
	6 /* of one node: a convolution with a batch norm has weight, scale, shift, mean, variance, bias */

enum thaw_activation { THAW_ACT_NONE, THAW_ACT_RELU, THAW_ACT_RELU6, THAW_ACTIVATIONS };

/* What `pointwise` computes of every element; alpha and beta are attributes. */
enum thaw_function {
	THAW_FN_SIGMOID,
	THAW_FN_TANH,
	THAW_FN_SILU,             /* x * sigmoid(x) */
	THAW_FN_GELU,             /* x * (1 + erf(x / sqrt 2)) / 2 */
	THAW_FN_GELU_TANH,        /* its approximation by tanh */
	THAW_FN_HARD_SIGMOID,     /* alpha * x + beta, within 0 and 1 */
	THAW_FN_HARD_SWISH,       /* x * hard_sigmoid(x) of alpha 1/6, beta 1/2 */
	THAW_FN_LEAKY_RELU,       /* alpha * x below 0 */
	THAW_FN_ELU,              /* alpha * (exp(x) - 1) below 0 */
	THAW_FN_SELU,             /* beta * elu(x) */
	THAW_FN_CELU,             /* alpha * (exp(x / alpha) - 1) below 0 */
	THAW_FN_THRESHOLDED_RELU, /* x above alpha, else 0 */
	THAW_FN_SHRINK,           /* beta nearer to 0 beyond -alpha and alpha, 0 between */
	THAW_FN_SOFTPLUS,         /* log(1 + exp(x)) */
	THAW_FN_SOFTSIGN,         /* x / (1 + |x|) */
	THAW_FN_MISH,             /* x * tanh(softplus(x)) */
	THAW_FN_CLIP,             /* within alpha and beta */
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
	THAW_FN_ROUND, /* halves to even */
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

/* What `binary` computes of two elements. */
enum thaw_binary {
	THAW_BINARY_ADD,
	THAW_BINARY_SUB,
	THAW_BINARY_MUL,
	THAW_BINARY_DIV,
	THAW_BINARY_POW,
	THAW_BINARY_MIN,
	THAW_BINARY_MAX,
	THAW_BINARY_PRELU, /* x[0], times x[1] below 0 */
	THAW_BINARIES
};

/* What `reduce` makes of the elements along its axes. */
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

/* How `pad` fills. */
enum thaw_padding {
	THAW_PAD_CONSTANT,
	THAW_PAD_REFLECT,
	THAW_PAD_EDGE,
};

#define THAW_MAX_FACTORS 12

/* A rearrangement as in einops: the axes of x are split into factors, a range of each factor is taken, and the
 * factors, in another order, are merged into the axes of y. "b (h i) (w j) c -> (b h w) i j c" has seven of them. */
struct thaw_factors {
	int count, ndim;                /* of factors; of y. An axis of y without a factor has size 1 */
	int axis[THAW_MAX_FACTORS];     /* of x; factors stand in the order of x's axes, slowest first */
	int64_t size[THAW_MAX_FACTORS]; /* 0: what the axis has left, for at most one factor of an axis */
	/* Of a factor's elements, start, start + step, ... are taken, `take` of them; take 0: as many as there are. A
	 * negative start counts from the end; step 0 is read as 1. */
	int64_t start[THAW_MAX_FACTORS], step[THAW_MAX_FACTORS], take[THAW_MAX_FACTORS];
	int order[THAW_MAX_FACTORS];  /* y's factors, slowest first: indices of x's */
	int target[THAW_MAX_FACTORS]; /* axis of y that order[k] is merged into, rising */
};

/* Attributes of a node. Zero means absent; each operator says at the top of its file which it reads. */
struct thaw_attrs {
	int kernel[2], stride[2], dilation[2]; /* y, x; 0 is read as 1 */
	int pad[4];                            /* top, left, bottom, right */
	bool same;                       /* instead of pad: TensorFlow's SAME, output = ceil(input / stride), the odd
					  * pixel of padding at the bottom and right */
	bool same_lower;                 /* with same: it is at the top and left */
	int groups;                      /* 0 is read as 1 */
	int output[2];                   /* adaptive pooling: output height and width */
	enum thaw_activation activation; /* applied to the result, after any residual */
	float epsilon, momentum;         /* batch norm */
	float rate;                      /* dropout */
	int stream;                      /* dropout: tells the nodes of a network apart, whose masks must differ; any
					  * number that is the node's own, such as its index */
	bool batch_statistics;           /* batch norm: normalise by the batch instead of by the moving statistics */
	bool pad_counts;                 /* average pooling: padding counts in the divisor */
	bool ceil_mode;                  /* pooling: round the output size up */
	enum thaw_function function;
	enum thaw_binary binary;
	enum thaw_reduction reduction;
	float alpha, beta; /* parameters of a function; local_response_norm */
	unsigned axes;     /* reduce: bit k stands for axis k */
	int axis;          /* concat, gather */
	int heads;         /* attention */
	float scale;       /* matmul: of the products, 0 is read as 1; attention: of the scores, 0 is read as
			    * 1 / sqrt(size of a head) */
	bool transpose[2]; /* matmul: x[k] is read with its last two axes exchanged */
	enum thaw_padding padding;
	int64_t before[THAW_MAX_DIMS]; /* pad: elements to add in front of each axis; negative: to remove */
	int64_t after[THAW_MAX_DIMS];  /* and behind it */
	float fill;                    /* pad */
	struct thaw_factors factors;   /* rearrange, reshape */
};

/* Where an operator stands: everything that is known before there is data. */
struct thaw_op_desc {
	const struct thaw_attrs *attrs;
	int inputs;
	const struct thaw_shape *x; /* [inputs] */
	int params;
	const struct thaw_shape *param; /* [params], in the operator's own layout */
	struct thaw_shape y;            /* not yet set when `infer` is called */
	bool training;                  /* a backward call will follow */
	bool frozen;                    /* no parameter will change: `pack` may be called once for all calls */
};

/* Bytes that an operator needs for one descriptor. */
struct thaw_op_workspace {
	size_t saved;           /* written by forward, read by the backward call that follows */
	size_t scratch_forward; /* of no value after the call */
	size_t scratch_backward;
	size_t packed; /* for `pack`, where the site's parameters are frozen */
};

/* One execution. A value that depends on the images has as its first dimension a multiple of their number, such as all
 * windows of all images; it may be smaller than at the site, never larger. Other values, made of parameters alone,
 * have the shape of the descriptor. */
struct thaw_op_args {
	const struct thaw_attrs *attrs;
	int inputs;
	const struct thaw_view *x; /* [inputs]; in backward the shapes, and the data if the operator reads them */
	struct thaw_view y;        /* in backward the shape, and the data if the operator reads it */
	int params;
	const struct thaw_view *param; /* [params] */
	void *saved, *scratch;
	const void *packed; /* what `pack` wrote, or NULL: forward must do without */
	bool training;
	const uint64_t *sample_key; /* [N], a random key per image for operators that draw; or NULL */

	/* Backward only. */
	float *dy;            /* shape of y; may be overwritten when the operator is
			       * `in_place` or says `overwrites_dy` */
	float *const *dx;     /* [inputs]; an entry is NULL where no gradient is wanted */
	const bool *dx_add;   /* [inputs]; true: add to dx[i], false: overwrite it */
	float *const *dparam; /* [params]; an entry is NULL where frozen; added to, unless the operator says
			       * `overwrites_dparam`.
			       * For moving statistics: N * batch statistic is added. */
};

enum { THAW_READS_X = 1, THAW_READS_Y = 2 }; /* what backward reads of the forward pass */

/* A set-up that the operator's tests run. */
struct thaw_op_case {
	const char *name;
	struct thaw_attrs attrs;
	int inputs;
	struct thaw_shape x[4];
	int params;
	struct thaw_shape param[THAW_MAX_PARAMS];
	unsigned fixed;   /* bit k: x[k] is made of parameters alone, its shape does not follow the batch */
	unsigned indices; /* bit k: x[k] holds integers and receives no gradient */
	/* What the inputs are filled with. */
	float low, high; /* values between them; both 0: from -1 to 1 */
	int kinks;       /* this many places where the slope jumps: values keep away from them */
	float kink[4];
	bool distinct;  /* no two values are near one another: for what picks the largest */
	int64_t images; /* 0: the smallest first dimension of inputs that are not fixed; those that are no multiple of
			 * this are fixed too */
};

struct thaw_op {
	const char *name; /* "conv", "batch_norm", ... */
	int min_inputs, max_inputs;
	const char *const *param_names; /* NULL-ended, at most THAW_MAX_PARAMS: "weight", "bias", ...; a node
					 * may leave out the last ones */

	/* Output shape; THAW_CONFIG with a message for shapes that do not fit (an image that is too small). */
	thaw_status (*infer)(const struct thaw_op_desc *desc, struct thaw_shape *y);
	/* May be NULL: wants nothing. */
	void (*workspace)(const struct thaw_op_desc *desc, struct thaw_op_workspace *workspace);
	void (*forward)(const struct thaw_op_args *args);
	/* May be NULL. Writes the parameters, which are frozen, into packed[workspace.packed bytes] in the form that
	 * forward likes best. Reads attrs, x[i].shape, y.shape and param only. */
	void (*pack)(const struct thaw_op_args *args, void *packed);
	void (*backward)(const struct thaw_op_args *args);
	/* The plain loops in double precision that forward is tested against. Kept simple on purpose. */
	void (*reference)(const struct thaw_op_args *args);
	/* Multiply-adds x 2 of one forward call; NULL: as many as output elements. */
	int64_t (*flops)(const struct thaw_op_desc *desc);

	unsigned backward_reads; /* THAW_READS_X | THAW_READS_Y */
	bool activates;          /* applies attrs.activation to its result */
	bool adds;               /* adds an optional last input x[1], of y's shape, to its result before that */
	bool draws;              /* random while training */
	bool overwrites_dy;      /* backward works on dy itself */
	bool parameter;          /* y is the first parameter itself: plans read it there, and do not call forward */
	bool overwrites_dparam;  /* backward writes all of dparam and reads nothing of it: saves a pass over what is
				    large */
	bool in_place;           /* y may be x[0]'s memory, and dx[0] may be dy's */

	const struct thaw_op_case *cases; /* [case_count] */
	int case_count;
};

/* The operator of that name, or NULL. */
const struct thaw_op *thaw_op_find(const char *name);
/* NULL-ended list of all operators. */
extern const struct thaw_op *const thaw_ops[];

/* Softmax cross-entropy with label smoothing, as in PyTorch's CrossEntropyLoss(reduction="sum").
 * logits (N,C); label[n] in 0..C-1; smoothing in [0,1).
 * dlogits (N,C) or NULL receives the gradient of the sum. loss_sum and correct (top-1 hits, first
 * index wins ties) are overwritten. */
void thaw_cross_entropy(const float *logits, int64_t n, int64_t classes, const int32_t *label, float smoothing,
			float *dlogits, double *loss_sum, int64_t *correct);

/* probability (N,C) = softmax of logits (N,C); may be in place. */
void thaw_softmax(const float *logits, int64_t n, int64_t classes, float *probability);

THAW_END_DECLS

#endif
