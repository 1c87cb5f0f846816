/* Optimizers; each does the steps of PyTorch's of the same name. To add one, add a function and a row of the table. */
#include <math.h>
#include <string.h>

#include "src/base/multiversion.h"
#include "thaw/train.h"

/* torch.optim.SGD: v = momentum * v + (g + decay * w); w -= lr * v. */
THAW_MULTIVERSION
static void sgd(float *w, const float *g, float *const *state, int64_t n, double lr, double weight_decay,
		double momentum, int64_t t)
{
	(void)t;
	float *v = state[0];
	const float rate = (float)lr, decay = (float)weight_decay, mu = (float)momentum;
	THAW_INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		v[i] = mu * v[i] + (g[i] + decay * w[i]);
		w[i] -= rate * v[i];
	}
}

#define ADAM_BETA1   0.9
#define ADAM_BETA2   0.999
#define ADAM_EPSILON 1e-8

/* torch.optim.AdamW: weight decay applies to the weight, not to the gradient (1711.05101). */
THAW_MULTIVERSION
static void adamw(float *w, const float *g, float *const *state, int64_t n, double lr, double weight_decay,
		  double momentum, int64_t t)
{
	(void)momentum;
	float *m = state[0], *v = state[1];
	const float shrink = (float)(1.0 - lr * weight_decay);
	const float rate = (float)(lr / (1.0 - pow(ADAM_BETA1, (double)t)));
	const float correction = (float)sqrt(1.0 - pow(ADAM_BETA2, (double)t));
	const float b1 = (float)ADAM_BETA1, b2 = (float)ADAM_BETA2, epsilon = (float)ADAM_EPSILON;
	THAW_INDEPENDENT
	for (int64_t i = 0; i < n; i++) {
		m[i] = b1 * m[i] + (1.0f - b1) * g[i];
		v[i] = b2 * v[i] + (1.0f - b2) * g[i] * g[i];
		w[i] = shrink * w[i] - rate * m[i] / (sqrtf(v[i]) / correction + epsilon);
	}
}

static const struct thaw_optimizer optimizers[] = {
	{"sgd", (const char *const[]){"momentum", NULL}, 0.01, 1e-4, sgd},
	{"adamw", (const char *const[]){"mean", "square", NULL}, 3e-4, 0.01, adamw},
};

const struct thaw_optimizer *thaw_optimizer_find(const char *name)
{
	for (size_t i = 0; i < sizeof(optimizers) / sizeof(*optimizers); i++)
		if (strcmp(optimizers[i].name, name) == 0)
			return &optimizers[i];
	return NULL;
}
