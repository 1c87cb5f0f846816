/* Let X (n,d) = U S V' be the centred features, Y the centred one-hot labels, l = s^2 and r the regularisation. Ridge
 * regression predicts U diag(l / (l + r)) U' Y. The leverage of image i is h_i = 1/n + sum over k of U_ik^2 l_k / (l_k
 * + r), and its leave-one-out residual is the ordinary residual divided by 1 - h_i (Allen 1974): n probes for the price
 * of one. */
#include "src/advise/probe.h"

#include <cblas.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "src/advise/eigen.h"
#include "src/base/minmax.h"
#include "src/base/try.h"
#include "thaw/memory.h"

/* Search grids: regularisation from 1e-5 to 1e2, in units of the mean eigenvalue; scales of the logits from 1 to 128.
 */
#define RIDGES      15
#define RIDGE_FIRST 1e-5
#define RIDGE_STEP  3.1622776601683795
#define SCALES      15
#define SCALE_STEP  1.4142135623730951
/* With regularisation 1 - h is above RIDGE_FIRST / (2 rank), but rounding could make it 0. */
#define LEVERAGE_LIMIT (1.0 - 1e-10)

struct work {
	const struct thaw_feature_table *t;
	int64_t n, d, rank;
	double *mean;       /* [d] means of the features */
	double *share;      /* [classes] fraction of the images */
	double *x;          /* (n,d) centred features */
	double *u;          /* (rank,n) left singular vectors as rows */
	double *l;          /* [rank] */
	double *uy;         /* (rank,classes) U' Y */
	double *scaled;     /* (rank,classes) */
	double *left_out;   /* (n,classes) leave-one-out predictions */
	float *probability; /* (n,classes) receives the softmax of these, scaled; may be NULL */
};

static thaw_status open_work(struct work *w)
{
	size_t n = (size_t)w->n, d = (size_t)w->d, max_rank = min_size(n, d), classes = (size_t)w->t->classes;
	w->mean = thaw_alloc(d, sizeof(double));
	w->share = thaw_alloc(classes, sizeof(double));
	w->x = thaw_alloc(n * d, sizeof(double));
	w->u = thaw_alloc(max_rank * n, sizeof(double));
	w->l = thaw_alloc(max_rank, sizeof(double));
	w->uy = thaw_alloc(max_rank * classes, sizeof(double));
	w->scaled = thaw_alloc(max_rank * classes, sizeof(double));
	w->left_out = thaw_alloc(n * classes, sizeof(double));
	return w->mean && w->share && w->x && w->u && w->l && w->uy && w->scaled && w->left_out ? THAW_OK
												: THAW_RESOURCE;
}

static void close_work(struct work *w)
{
	thaw_free(w->mean);
	thaw_free(w->share);
	thaw_free(w->x);
	thaw_free(w->u);
	thaw_free(w->l);
	thaw_free(w->uy);
	thaw_free(w->scaled);
	thaw_free(w->left_out);
}

static void centre(struct work *w)
{
	for (int64_t i = 0; i < w->n; i++) {
		w->share[w->t->labels[i]] += 1.0 / (double)w->n;
		for (int64_t j = 0; j < w->d; j++)
			w->mean[j] += (double)w->t->features[i * w->d + j];
	}
	for (int64_t j = 0; j < w->d; j++)
		w->mean[j] /= (double)w->n;
	for (int64_t i = 0; i < w->n; i++)
		for (int64_t j = 0; j < w->d; j++)
			w->x[i * w->d + j] = (double)w->t->features[i * w->d + j] - w->mean[j];
}

/* Fills u and l from the eigenvectors of the smaller of X X' and X' X, without eigenvalues that are 0 within rounding.
 */
static thaw_status decompose(struct work *w)
{
	const int64_t n = w->n, d = w->d, size = min_int64(n, d);
	double *gram = thaw_alloc((size_t)(size * size), sizeof(*gram)),
	       *value = thaw_alloc((size_t)size, sizeof(*value));
	thaw_status status = gram && value ? THAW_OK : THAW_RESOURCE;
	if (status == THAW_OK) {
		cblas_dsyrk(CblasRowMajor, CblasLower, n <= d ? CblasNoTrans : CblasTrans, (blasint)size,
			    (blasint)(n <= d ? d : n), 1.0, w->x, (blasint)d, 0.0, gram, (blasint)size);
		status = thaw_eigen_symmetric(size, gram, value);
	}
	if (status == THAW_OK) {
		const double rounding = value[size - 1] * (double)(n + d) * DBL_EPSILON;
		int64_t first = 0;
		while (first < size && !(value[first] > rounding && value[first] > 0.0))
			first++;
		w->rank = size - first;
		memcpy(w->l, value + first, (size_t)w->rank * sizeof(double));
		if (n <= d)
			memcpy(w->u, gram + first * size, (size_t)(w->rank * n) * sizeof(double));
		else if (w->rank > 0)
			cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)w->rank, (blasint)n, (blasint)d,
				    1.0, gram + first * size, (blasint)size, w->x, (blasint)d, 0.0, w->u, (blasint)n);
		for (int64_t k = 0; n > d && k < w->rank; k++)
			cblas_dscal((blasint)n, 1.0 / sqrt(w->l[k]), w->u + k * n, 1);
	}
	thaw_free(gram);
	thaw_free(value);
	return status;
}

static void project(struct work *w)
{
	const int classes = w->t->classes;
	for (int64_t k = 0; k < w->rank; k++)
		for (int64_t i = 0; i < w->n; i++) {
			double u = w->u[k * w->n + i];
			for (int c = 0; c < classes; c++)
				w->uy[k * classes + c] -= u * w->share[c];
			w->uy[k * classes + w->t->labels[i]] += u;
		}
}

/* Fills left_out for this regularisation; returns the mean squared residual. */
static double leave_out(struct work *w, double ridge)
{
	const int classes = w->t->classes;
	double sum = 0.0;
	for (int64_t k = 0; k < w->rank; k++)
		for (int c = 0; c < classes; c++)
			w->scaled[k * classes + c] = w->uy[k * classes + c] * w->l[k] / (w->l[k] + ridge);
	memset(w->left_out, 0, (size_t)(w->n * classes) * sizeof(double));
	if (w->rank > 0)
		cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)w->n, classes, (blasint)w->rank, 1.0,
			    w->u, (blasint)w->n, w->scaled, classes, 0.0, w->left_out, classes);
	for (int64_t i = 0; i < w->n; i++) {
		double h = 1.0 / (double)w->n;
		for (int64_t k = 0; k < w->rank; k++)
			h += w->u[k * w->n + i] * w->u[k * w->n + i] * w->l[k] / (w->l[k] + ridge);
		h = fmin(h, LEVERAGE_LIMIT);
		for (int c = 0; c < classes; c++) {
			double y = w->t->labels[i] == c, *p = &w->left_out[i * classes + c];
			double residual = (y - w->share[c] - *p) / (1.0 - h);
			*p = y - residual;
			sum += residual * residual;
		}
	}
	return sum / (double)w->n;
}

/* Leaving an image out makes its class rarer, and with few images the probe would be worse than chance: corrects the
 * leave-one-out predictions to the class shares of all images. */
static void correct_shares(struct work *w)
{
	const int classes = w->t->classes;
	for (int64_t i = 0; i < w->n; i++)
		for (int c = 0; c < classes; c++)
			w->left_out[i * classes + c] += ((w->t->labels[i] == c) - w->share[c]) / (double)(w->n - 1);
}

static double choose_ridge(struct work *w)
{
	double trace = 0.0, best = 0.0, least = INFINITY;
	for (int64_t k = 0; k < w->rank; k++)
		trace += w->l[k];
	double ridge = RIDGE_FIRST * (w->rank > 0 ? trace / (double)w->rank : 1.0);
	for (int r = 0; r < RIDGES; r++, ridge *= RIDGE_STEP) {
		double residual = leave_out(w, ridge);
		if (residual < least) {
			least = residual;
			best = ridge;
		}
	}
	leave_out(w, best);
	correct_shares(w);
	return best;
}

static double cross_entropy(const double *p, int classes, int label, double scale)
{
	double most = p[0], sum = 0.0;
	for (int c = 1; c < classes; c++)
		most = fmax(most, p[c]);
	for (int c = 0; c < classes; c++)
		sum += exp(scale * (p[c] - most));
	return log(sum) - scale * (p[label] - most);
}

/* Sets leave-one-out accuracy and loss; returns the scale of the logits that minimises the loss. */
static double evaluate_left_out(const struct work *w, struct thaw_probe *probe)
{
	const int classes = w->t->classes;
	int64_t right = 0;
	for (int64_t i = 0; i < w->n; i++) {
		const double *p = w->left_out + i * classes;
		int best = 0;
		for (int c = 1; c < classes; c++)
			best = p[c] > p[best] ? c : best;
		right += best == w->t->labels[i];
	}
	probe->accuracy = (double)right / (double)w->n;
	double scale = 1.0, best = 1.0;
	probe->loss = INFINITY;
	for (int s = 0; s < SCALES; s++, scale *= SCALE_STEP) {
		double loss = 0.0;
		for (int64_t i = 0; i < w->n; i++)
			loss += cross_entropy(w->left_out + i * classes, classes, w->t->labels[i], scale);
		loss /= (double)w->n;
		if (loss < probe->loss) {
			probe->loss = loss;
			best = scale;
		}
	}
	return best;
}

/* weight = scale * (X' U' diag(1 / (l + ridge)) U' Y)', since X' u = s v. */
static thaw_status set_weights(struct work *w, double ridge, double scale, struct thaw_probe *probe)
{
	const int classes = w->t->classes;
	double *weight = thaw_alloc((size_t)(classes * w->d), sizeof(*weight));
	if (!weight)
		return THAW_RESOURCE;
	for (int64_t k = 0; k < w->rank; k++)
		for (int c = 0; c < classes; c++)
			w->scaled[k * classes + c] = scale * w->uy[k * classes + c] / (w->l[k] + ridge);
	if (w->rank > 0) { /* reuses left_out for U' times scaled (n,classes) */
		cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (blasint)w->n, classes, (blasint)w->rank, 1.0,
			    w->u, (blasint)w->n, w->scaled, classes, 0.0, w->left_out, classes);
		cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, classes, (blasint)w->d, (blasint)w->n, 1.0,
			    w->left_out, classes, w->x, (blasint)w->d, 0.0, weight, (blasint)w->d);
	}
	for (int c = 0; c < classes; c++) {
		double bias = scale * w->share[c];
		for (int64_t j = 0; j < w->d; j++) {
			probe->weight[c * w->d + j] = (float)weight[c * w->d + j];
			bias -= weight[c * w->d + j] * w->mean[j];
		}
		probe->bias[c] = (float)bias;
	}
	thaw_free(weight);
	return THAW_OK;
}

static void set_probabilities(const struct work *w, double scale)
{
	const int classes = w->t->classes;
	for (int64_t i = 0; i < w->n; i++) {
		const double *p = w->left_out + i * classes;
		double most = p[0], sum = 0.0;
		for (int c = 1; c < classes; c++)
			most = fmax(most, p[c]);
		for (int c = 0; c < classes; c++)
			sum += exp(scale * (p[c] - most));
		for (int c = 0; c < classes; c++)
			w->probability[i * classes + c] = (float)(exp(scale * (p[c] - most)) / sum);
	}
}

static thaw_status fit(struct work *w, struct thaw_probe *probe)
{
	THAW_TRY(open_work(w));
	probe->weight = thaw_alloc((size_t)(probe->classes * probe->width), sizeof(float));
	probe->bias = thaw_alloc((size_t)probe->classes, sizeof(float));
	if (!probe->weight || !probe->bias)
		return THAW_RESOURCE;
	centre(w);
	THAW_TRY(decompose(w));
	project(w);
	double ridge = choose_ridge(w), scale = evaluate_left_out(w, probe);
	if (w->probability)
		set_probabilities(w, scale);
	return set_weights(w, ridge, scale, probe);
}

thaw_status thaw_probe_fit(struct thaw_probe *probe, const struct thaw_feature_table *t)
{
	return thaw_probe_fit_left_out(probe, t, NULL);
}

thaw_status thaw_probe_fit_left_out(struct thaw_probe *probe, const struct thaw_feature_table *t, float *probability)
{
	THAW_TRY(thaw_feature_table_check(t));
	if (t->count < 2)
		return thaw_fail(THAW_CONFIG, "too few images for a probe: %lld: give two or more",
				 (long long)t->count);
	if (t->count > INT_MAX || t->width > INT_MAX)
		return thaw_fail(THAW_CONFIG, "too many images or features for a probe: %lld x %lld: give fewer",
				 (long long)t->count, (long long)t->width);
	struct work w = {.t = t, .n = t->count, .d = t->width, .probability = probability};
	struct thaw_probe made = {.width = t->width, .classes = t->classes};
	thaw_status status = fit(&w, &made);
	close_work(&w);
	if (status == THAW_OK)
		*probe = made;
	else
		thaw_probe_release(&made);
	return status;
}

void thaw_probe_release(struct thaw_probe *probe)
{
	thaw_free(probe->weight);
	thaw_free(probe->bias);
	*probe = (struct thaw_probe){0};
}

/* Writes the logits of image i to logit[classes]; returns the largest. */
static double logits_of(const struct thaw_probe *p, const struct thaw_feature_table *t, int64_t i, double *logit)
{
	double most = -INFINITY;
	for (int c = 0; c < p->classes; c++) {
		logit[c] = (double)(p->bias[c] + cblas_sdot((blasint)p->width, p->weight + c * p->width, 1,
							    t->features + i * t->width, 1));
		most = fmax(most, logit[c]);
	}
	return most;
}

thaw_status thaw_probe_evaluate(const struct thaw_probe *p, const struct thaw_feature_table *t, double *accuracy,
				double *loss)
{
	double *logit = thaw_alloc((size_t)p->classes, sizeof(*logit)), sum = 0.0;
	int64_t right = 0;
	if (!logit)
		return THAW_RESOURCE;
	for (int64_t i = 0; i < t->count; i++) {
		double most = logits_of(p, t, i, logit);
		int best = 0;
		while (logit[best] < most)
			best++;
		right += best == t->labels[i];
		sum += cross_entropy(logit, p->classes, t->labels[i], 1.0);
	}
	*accuracy = t->count > 0 ? (double)right / (double)t->count : 0.0;
	*loss = t->count > 0 ? sum / (double)t->count : 0.0;
	thaw_free(logit);
	return THAW_OK;
}
