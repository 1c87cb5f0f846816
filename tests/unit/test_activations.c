/* Activations against executors run directly, and the similarity computed from them. */
#include "tests/scratch.h"

#include <math.h>

#include "src/advise/similarity.h"
#include "tests/unit/comm_threads.h"
#include "tests/unit/formula_weights.h"
#include "thaw/executor.h"
#include "thaw/memory.h"

#define TOLERANCE 1e-5 /* for sums in another order, relative to the largest */
#define LANES     8

enum { IMAGES = 21, CLASSES = 3, SIDE = 40, RANKS = 4 };

/* ---- Images ------------------------------------------------------------------------------------------------------ */

/* Parameters of a synthetic dataset. */
struct recipe {
	int damaged;     /* every n-th image is damaged; 0: none */
	int64_t starved; /* for this image there is no memory; -1: none */
	double noise;    /* fraction of noise */
};

static int32_t labels[10 * IMAGES];

/* Coloured waves plus noise. */
static thaw_status read_waves(const struct thaw_dataset *d, int64_t i, struct thaw_encoded_image *encoded)
{
	const struct recipe *r = d->context;
	if (r->damaged < 0 || (r->damaged && i % r->damaged == 1))
		return thaw_fail(THAW_DATA, "image %lld: damaged", (long long)i);
	if (i == r->starved)
		return thaw_fail(THAW_RESOURCE, "image %lld: no memory", (long long)i);
	struct thaw_image image = {SIDE, SIDE, thaw_alloc(3 * SIDE * SIDE, 1)};
	for (int64_t k = 0; image.pixels && k < 3 * SIDE * SIDE; k++) {
		double x = (double)(k / 3 % SIDE), y = (double)(k / 3 / SIDE), c = (double)(k % 3);
		double wave = sin(0.03 * (double)(i + 2) * x + c) * cos(0.07 * y + (double)(i % 5)) * 0.4 + 0.5;
		double noise = formula_uniform(77 + (uint64_t)i, k, 0.0, 1.0);
		image.pixels[k] = (uint8_t)(255.0 * ((1.0 - r->noise) * wave + r->noise * noise));
	}
	*encoded = thaw_encoded_image_from_pixels(image);
	return image.pixels ? THAW_OK : THAW_RESOURCE;
}

static struct thaw_dataset waves(int64_t count, struct recipe *r)
{
	assert_true(count <= (int64_t)(sizeof(labels) / sizeof(*labels)));
	for (int64_t i = 0; i < count; i++)
		labels[i] = (int32_t)(i % CLASSES);
	return (struct thaw_dataset){
		.count = count, .classes = CLASSES, .labels = labels, .read = read_waves, .context = r};
}

static struct recipe plain = {.starved = -1};

/* ---- Networks ---------------------------------------------------------------------------------------------------- */

static struct thaw_model *load(const char *spec, int size)
{
	struct thaw_model *m;
	if (thaw_model_load(&m, spec, 0, 1) != THAW_OK || thaw_model_set_size(m, thaw_square(size)) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return m;
}

static int choose(struct thaw_model *m, struct thaw_cut *cut)
{
	int count;
	if (thaw_cuts_choose(m->graph, m->preprocess.size, cut, &count) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return count;
}

static struct thaw_activations collect(const struct thaw_model *m, const struct thaw_cut *cut, int cuts,
				       const struct thaw_dataset *d)
{
	struct thaw_activations t;
	struct thaw_comm alone = thaw_comm_alone();
	if (thaw_activations_collect(&t, &alone, m, cut, cuts, d, LANES, 2, NULL) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return t;
}

/* The preprocessed images (count,size,size,3). */
static float *inputs_of(const struct thaw_model *m, const struct thaw_dataset *d)
{
	int64_t floats = (int64_t)thaw_size_floats(m->preprocess.size);
	float *x = thaw_alloc((size_t)(d->count * floats), sizeof(*x));
	assert_non_null(x);
	for (int64_t i = 0; i < d->count; i++) {
		struct thaw_encoded_image p;
		assert_int_equal(d->read(d, i, &p), THAW_OK);
		assert_int_equal(thaw_transform_eval(&p, &m->preprocess, x + i * floats), THAW_OK);
		thaw_encoded_image_free(&p);
	}
	return x;
}

static void assert_near(const char *what, double actual, double expected, double size)
{
	if (!(fabs(actual - expected) <= TOLERANCE * fmax(size, 1.0)))
		fail_msg("%s is %.9g instead of %.9g", what, actual, expected);
}

/* ---- Features and probabilities ---------------------------------------------------------------------------------- */

/* Features of image x by a trunk executor up to this cut, averaged over pixels. Returns the width. */
static int64_t pool_by_hand(struct thaw_executor *trunk, const struct thaw_graph *g, const struct thaw_shape *shapes,
			    const float *x, double *pooled)
{
	int crossing[512];
	int count = thaw_graph_crossing(g, thaw_graph_cut(g), crossing);
	float *features = thaw_alloc((size_t)thaw_executor_features(trunk), sizeof(*features)), *at = features;
	int64_t width = 0;
	memcpy(thaw_executor_input(trunk), x, (size_t)thaw_shape_count(&shapes[0]) * sizeof(*x));
	thaw_executor_run_trunk(trunk, features);
	for (int k = 0; k < count; k++) {
		const struct thaw_shape *s = &shapes[crossing[k]];
		int64_t channels = s->dim[s->ndim - 1], rows = thaw_shape_count(s) / channels;
		for (int64_t c = 0; crossing[k] > 0 && c < channels; c++) {
			pooled[width] = 0.0;
			for (int64_t r = 0; r < rows; r++)
				pooled[width] += at[r * channels + c] / (double)rows;
			width++;
		}
		at += thaw_shape_count(s);
	}
	thaw_free(features);
	return width;
}

static void check_features(struct thaw_model *m, const struct thaw_cut *cut, const struct thaw_activations *t, int at,
			   const float *x)
{
	struct thaw_graph *g = m->graph;
	int64_t side = m->preprocess.size.height;
	struct thaw_shape image = thaw_shape_of(1, side, side, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	struct thaw_executor *trunk;
	double pooled[8192];
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_int_equal(thaw_graph_unfreeze(g, cut[at].unfreeze), THAW_OK);
	assert_int_equal(thaw_executor_create(&trunk, g, &image, THAW_TRUNK, false), THAW_OK);
	for (int64_t i = 0; i < t->count; i++) {
		int64_t width = pool_by_hand(trunk, g, shapes, x + i * thaw_shape_count(&image), pooled);
		assert_int_equal(width, t->width[at]);
		for (int64_t c = 0; c < width; c++)
			assert_near("a feature", t->features[at][i * width + c], pooled[c], fabs(pooled[c]));
	}
	assert_true((!t->features[at]) == (t->width[at] == 0));
	thaw_executor_destroy(trunk);
	thaw_free(shapes);
	assert_int_equal(thaw_graph_unfreeze(g, "none"), THAW_OK);
}

static void check_probabilities(const struct thaw_model *m, const struct thaw_activations *t, const float *x)
{
	int64_t side = m->preprocess.size.height, n = t->source_classes;
	struct thaw_shape image = thaw_shape_of(t->count, side, side, 3);
	struct thaw_executor *executor;
	assert_int_equal(n, m->classes);
	assert_int_equal(thaw_executor_create(&executor, m->graph, &image, THAW_WHOLE, false), THAW_OK);
	memcpy(thaw_executor_input(executor), x, (size_t)thaw_shape_count(&image) * sizeof(*x));
	const float *logits = thaw_executor_forward(executor, t->count, NULL);
	for (int64_t i = 0; i < t->count; i++) {
		double exps = 0.0, sum = 0.0;
		for (int64_t c = 0; c < n; c++)
			exps += exp((double)logits[i * n + c]);
		for (int64_t c = 0; c < n; c++) {
			sum += (double)t->probability[i * n + c];
			assert_near("a probability", t->probability[i * n + c], exp((double)logits[i * n + c]) / exps,
				    1.0);
		}
		assert_near("the sum of probabilities", sum, 1.0, 1.0);
	}
	thaw_executor_destroy(executor);
}

static void check_network(const char *spec, int size, int64_t images, int norms)
{
	struct thaw_model *m = load(spec, size);
	struct thaw_dataset d = waves(images, &plain);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(m, cut);
	struct thaw_activations t = collect(m, cut, cuts, &d);
	float *x = inputs_of(m, &d);
	assert_int_equal(t.count, images);
	assert_int_equal(t.damaged, 0);
	assert_int_equal(t.cut_count, cuts);
	assert_int_equal(t.norm_count, norms);
	assert_true(t.flat);
	for (int64_t i = 0; i < images; i++) {
		assert_int_equal(t.samples[i], i);
		assert_int_equal(t.labels[i], labels[i]);
	}
	for (int c = 0; c < cuts; c++)
		check_features(m, cut, &t, c, x);
	assert_int_equal(t.width[cuts - 1], 0); /* everything is trainable: the cut is at the image */
	check_probabilities(m, &t, x);
	thaw_free(x);
	thaw_activations_release(&t);
	thaw_model_destroy(m);
}

static void features_equal_those_of_an_executor(void **state)
{
	(void)state;
	check_network("builtin", 0, IMAGES, 9);
	check_network("efficientnet_lite0", 64, 3, 49);
	check_network("vgg11", 32, 3, 0);
}

/* ---- Sums of norms ----------------------------------------------------------------------------------------------- */

/* Listens to the outputs of an executor's batch norms. */
struct heard {
	const struct thaw_graph *graph;
	const struct thaw_shape *shapes;
	const struct thaw_activations *activations;
	int norms;
};

static void hear(void *context, int node, const struct thaw_view *view)
{
	const float *value = view->data;
	struct heard *h = context;
	if (strcmp(h->graph->nodes[node].op->name, "batch_norm") != 0)
		return;
	const struct thaw_norm_statistics *norm = &h->activations->norms[h->norms++];
	int64_t channels = h->shapes[node].dim[h->shapes[node].ndim - 1];
	int64_t rows = thaw_shape_count(&h->shapes[node]) / channels;
	assert_string_equal(norm->name, h->graph->nodes[node].name);
	assert_int_equal(norm->channels, channels);
	assert_ptr_equal(norm->scale, h->graph->params[h->graph->nodes[node].params[0]].data);
	assert_ptr_equal(norm->shift, h->graph->params[h->graph->nodes[node].params[1]].data);
	for (int64_t c = 0; c < channels; c++) {
		double mean = 0.0, square = 0.0;
		for (int64_t r = 0; r < rows; r++) {
			double x = (double)value[r * channels + c];
			mean += x / (double)rows;
			square += x * x / (double)rows;
		}
		assert_near("a mean", norm->mean[c], mean, sqrt(square));
		assert_near("a mean square", norm->square[c], square, square);
	}
}

static void sums_of_norms_equal_those_of_an_executor(void **state)
{
	(void)state;
	struct thaw_model *m = load("builtin", 0);
	struct thaw_dataset d = waves(IMAGES, &plain);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(m, cut);
	struct thaw_activations t = collect(m, cut, cuts, &d);
	struct thaw_shape image = thaw_shape_of(IMAGES, m->preprocess.size.height, m->preprocess.size.width, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)m->graph->node_count, sizeof(*shapes));
	struct thaw_executor *executor;
	float *x = inputs_of(m, &d);
	struct heard h = {m->graph, shapes, &t, 0};
	assert_int_equal(thaw_graph_infer(m->graph, &image, shapes), THAW_OK);
	assert_int_equal(thaw_executor_create(&executor, m->graph, &image, THAW_WHOLE, false), THAW_OK);
	memcpy(thaw_executor_input(executor), x, (size_t)thaw_shape_count(&image) * sizeof(*x));
	thaw_executor_on_value(executor, hear, &h);
	thaw_executor_forward(executor, IMAGES, NULL);
	assert_int_equal(h.norms, t.norm_count);
	thaw_executor_on_value(executor, NULL, NULL);
	thaw_executor_forward(executor, IMAGES, NULL);
	assert_int_equal(h.norms, t.norm_count);
	thaw_executor_destroy(executor);
	thaw_free(x);
	thaw_free(shapes);
	thaw_activations_release(&t);
	thaw_model_destroy(m);
}

/* ---- Ranks ------------------------------------------------------------------------------------------------------- */

struct job {
	const struct thaw_model *model;
	const struct thaw_cut *cut;
	int cuts;
	const struct thaw_dataset *dataset;
	const struct thaw_callbacks *callbacks; /* of the last rank */
	struct thaw_activations activations[RANKS];
	thaw_status status[RANKS];
};

static void run_rank(struct thaw_comm *comm, void *argument)
{
	struct job *j = argument;
	j->status[comm->rank] =
		thaw_activations_collect(&j->activations[comm->rank], comm, j->model, j->cut, j->cuts, j->dataset,
					 LANES, 1, comm->rank == comm->size - 1 ? j->callbacks : NULL);
}

static void assert_same_activations(const struct thaw_activations *a, const struct thaw_activations *b)
{
	size_t n = (size_t)a->count;
	assert_int_equal(a->count, b->count);
	assert_int_equal(a->damaged, b->damaged);
	assert_memory_equal(a->samples, b->samples, n * sizeof(*a->samples));
	assert_memory_equal(a->labels, b->labels, n * sizeof(*a->labels));
	assert_int_equal(a->flat, b->flat);
	assert_memory_equal(a->width, b->width, sizeof(a->width));
	for (int c = 0; c < a->cut_count; c++)
		if (a->width[c] > 0)
			assert_memory_equal(a->features[c], b->features[c], n * (size_t)a->width[c] * sizeof(float));
	assert_memory_equal(a->probability, b->probability, n * (size_t)a->source_classes * sizeof(float));
	assert_int_equal(a->norm_count, b->norm_count);
	for (int k = 0; k < a->norm_count; k++) {
		size_t bytes = (size_t)a->norms[k].channels * sizeof(double);
		assert_memory_equal(a->norms[k].mean, b->norms[k].mean, bytes);
		assert_memory_equal(a->norms[k].square, b->norms[k].square, bytes);
	}
}

/* The same bits for any number of ranks, also with fewer images than lanes. */
static void any_number_of_ranks_gives_the_same_bits(void **state)
{
	(void)state;
	static const int64_t counts[] = {10 * IMAGES, 5, 0};
	struct thaw_model *m = load("builtin", 0);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(m, cut);
	for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
		struct recipe some = {.damaged = 7, .starved = -1};
		struct thaw_dataset d = waves(counts[k], &some);
		struct thaw_activations alone = collect(m, cut, cuts, &d);
		for (int ranks = 1; ranks <= RANKS; ranks++) {
			struct job j = {.model = m, .cut = cut, .cuts = cuts, .dataset = &d};
			ranks_run(ranks, run_rank, &j);
			for (int r = 0; r < ranks; r++) {
				assert_int_equal(j.status[r], THAW_OK);
				assert_same_activations(&j.activations[r], &alone);
				thaw_activations_release(&j.activations[r]);
			}
		}
		thaw_activations_release(&alone);
	}
	thaw_model_destroy(m);
}

static bool say_stop(void *context)
{
	(void)context;
	return true;
}

/* A failure on one rank fails all ranks. */
static void a_failure_on_one_rank_fails_all_ranks(void **state)
{
	(void)state;
	struct thaw_model *m = load("builtin", 0);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(m, cut);
	struct recipe starved = {.starved = 9};
	struct thaw_callbacks stops = {.stop = say_stop};
	for (int ranks = 1; ranks <= RANKS; ranks++) {
		struct thaw_dataset d = waves(IMAGES, &starved);
		struct job j = {.model = m, .cut = cut, .cuts = cuts, .dataset = &d};
		ranks_run(ranks, run_rank, &j);
		for (int r = 0; r < ranks; r++)
			assert_int_equal(j.status[r], THAW_RESOURCE);
		d = waves(IMAGES, &plain);
		j.callbacks = &stops;
		ranks_run(ranks, run_rank, &j);
		for (int r = 0; r < ranks; r++)
			assert_int_equal(j.status[r], THAW_UNFINISHED);
	}
	m->graph->params[0].data[0] = NAN;
	struct thaw_dataset d = waves(IMAGES, &plain);
	struct job j = {.model = m, .cut = cut, .cuts = cuts, .dataset = &d};
	ranks_run(2, run_rank, &j);
	assert_int_equal(j.status[0], THAW_DATA);
	assert_int_equal(j.status[1], THAW_DATA);
	thaw_model_destroy(m);
}

/* ---- Damage ------------------------------------------------------------------------------------------------------ */

/* Damaged images do not affect the results of the others. */
static void damaged_images_do_not_affect_others(void **state)
{
	(void)state;
	struct thaw_model *m = load("builtin", 0);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(m, cut);
	struct recipe some = {.damaged = 4, .starved = -1}, all = {.damaged = -1, .starved = -1};
	struct thaw_dataset whole = waves(IMAGES, &plain), d = waves(IMAGES, &some);
	struct thaw_activations without = collect(m, cut, cuts, &whole), t = collect(m, cut, cuts, &d);
	assert_int_equal(t.count, IMAGES - 5);
	assert_int_equal(t.damaged, 5);
	for (int64_t i = 0, k = 0; i < IMAGES; i++) {
		if (i % 4 == 1)
			continue;
		assert_int_equal(t.samples[k], i);
		assert_int_equal(t.labels[k], labels[i]);
		assert_memory_equal(t.features[0] + k * t.width[0], without.features[0] + i * t.width[0],
				    (size_t)t.width[0] * sizeof(float));
		k++;
	}
	thaw_activations_release(&t);
	thaw_activations_release(&without);
	d = waves(IMAGES, &all);
	t = collect(m, cut, cuts, &d);
	assert_int_equal(t.count, 0);
	assert_int_equal(t.damaged, IMAGES);
	for (int64_t c = 0; c < t.norms[0].channels; c++)
		assert_true(t.norms[0].mean[c] == 0.0);
	thaw_activations_release(&t);
	thaw_model_destroy(m);
}

static double distance_to(struct thaw_model *m, const struct thaw_dataset *d)
{
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_similarity s;
	struct thaw_activations t = collect(m, cut, choose(m, cut), d);
	assert_int_equal(thaw_similarity_measure(&s, &t), THAW_OK);
	double distance = s.distance;
	assert_true(isfinite(distance) && s.confidence > 0.0 && s.confidence <= 1.0 && s.feature_norm > 0.0);
	thaw_similarity_release(&s);
	thaw_activations_release(&t);
	return distance;
}

/* ---- Special networks ---------------------------------------------------------------------------------------- */

static int add_conv(struct thaw_graph *g, const char *name, int x, int64_t from, int64_t to)
{
	struct thaw_shape w = thaw_shape_of(1, 1, from, to);
	char weight[64];
	snprintf(weight, sizeof(weight), "%s.weight", name);
	x = thaw_graph_add(g, "conv", name, NULL, &x, 1);
	thaw_graph_param(g, x, weight, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &w, NULL);
	return x;
}

static int add_norm(struct thaw_graph *g, int x, int64_t channels)
{
	static const struct {
		const char *name;
		enum thaw_role role;
	} parts[] = {{"bn.weight", THAW_ROLE_SCALE},
		     {"bn.bias", THAW_ROLE_SHIFT},
		     {"bn.running_mean", THAW_ROLE_MEAN},
		     {"bn.running_var", THAW_ROLE_VARIANCE}};
	struct thaw_shape shape = thaw_shape_of(channels);
	struct thaw_attrs attrs = {.epsilon = 1e-7f, .momentum = 0.1f};
	x = thaw_graph_add(g, "batch_norm", "bn", &attrs, &x, 1);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		thaw_graph_param(g, x, parts[i].name, parts[i].role, THAW_LAYOUT_SAME, &shape, NULL);
	return x;
}

static void add_classifier(struct thaw_graph *g, int x, int64_t width)
{
	struct thaw_shape fc = thaw_shape_of(2, width), bias = thaw_shape_of(2);
	struct thaw_attrs one = {.output = {1, 1}};
	thaw_graph_block(g, "fc");
	x = thaw_graph_add(g, "average_pool", "pool", &one, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &fc, NULL);
	thaw_graph_param(g, x, "fc.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &bias, NULL);
}

static struct thaw_model finish(struct thaw_graph *g)
{
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	thaw_graph_init(g, 3, 0, g->param_count);
	return (struct thaw_model){
		.graph = g,
		.variant = (char *)"test",
		.preprocess = {.size = {8, 8}, .resize = 8, .mean = {0.4f, 0.5f, 0.6f}, .std = {0.2f, 0.3f, 0.2f}},
		.classes = 2};
}

/* The image crosses a cut together with another value; a parameter value does not cross. */
static void the_image_is_not_a_feature(void **state)
{
	(void)state;
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_shape vector = thaw_shape_of(1, 1, 1, 5);
	struct thaw_attrs channels = {.axis = 3}, product = {.binary = THAW_BINARY_MUL};
	thaw_graph_block(g, "first");
	int first = add_conv(g, "first", 0, 3, 5);
	thaw_graph_block(g, "second");
	int constant = thaw_graph_add(g, "constant", "factor", NULL, NULL, 0);
	thaw_graph_param(g, constant, "factor", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &vector, NULL);
	int x = add_conv(g, "second", first, 5, 5);
	x = thaw_graph_add(g, "binary", "times", &product, (int[]){x, constant}, 2);
	x = thaw_graph_add(g, "concat", "both", &channels, (int[]){0, x, first}, 3);
	add_classifier(g, x, 13);
	struct thaw_model m = finish(g);
	struct thaw_dataset d = waves(IMAGES, &plain);
	struct thaw_cut cut[THAW_MAX_CUTS];
	int cuts = choose(&m, cut);
	assert_int_equal(cuts, 3);
	struct thaw_activations t = collect(&m, cut, cuts, &d);
	float *pixels = inputs_of(&m, &d);
	assert_int_equal(t.width[0], 13);
	assert_int_equal(t.width[1], 5);
	assert_int_equal(t.width[2], 0);
	for (int c = 0; c < cuts; c++)
		check_features(&m, cut, &t, c, pixels);
	thaw_free(pixels);
	thaw_activations_release(&t);
	thaw_graph_destroy(g);
}

/* The distance of images from a norm trained on these images is 0; shifts are in units of the scale. */
static void training_images_have_distance_0(void **state)
{
	(void)state;
	struct thaw_graph *g = thaw_graph_create();
	thaw_graph_block(g, "stem");
	add_classifier(g, add_norm(g, add_conv(g, "conv", 0, 3, 6), 6), 6);
	struct thaw_model m = finish(g);
	struct recipe all = {.starved = -1, .noise = 1.0};
	struct thaw_dataset d = waves(IMAGES, &plain), noise = waves(IMAGES, &all);
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_similarity s;
	int cuts = choose(&m, cut), norm = 2;
	float *p[4];
	for (int k = 0; k < 4; k++)
		p[k] = g->params[g->nodes[norm].params[k]].data;
	for (int c = 0; c < 6; c++) { /* identity */
		p[0][c] = p[3][c] = 1.0f;
		p[1][c] = p[2][c] = 0.0f;
	}
	struct thaw_activations t = collect(&m, cut, cuts, &d);
	assert_int_equal(t.norm_count, 1);
	for (int c = 0; c < 6; c++) {
		p[2][c] = (float)t.norms[0].mean[c];
		p[3][c] = (float)(t.norms[0].square[c] - t.norms[0].mean[c] * t.norms[0].mean[c]);
		p[0][c] = (float)(c + 1) * (c % 2 ? -0.3f : 0.3f);
		p[1][c] = (float)(c - 2);
	}
	thaw_activations_release(&t);
	t = collect(&m, cut, cuts, &d);
	assert_int_equal(thaw_similarity_measure(&s, &t), THAW_OK);
	assert_true(s.from_norms && s.layers == 1);
	assert_true(s.layer[0] < 1e-4 && s.distance == s.layer[0]);
	thaw_similarity_release(&s);
	thaw_activations_release(&t);
	assert_true(distance_to(&m, &noise) > 0.1);
	thaw_graph_destroy(g);
}

/* ---- Similarity -------------------------------------------------------------------------------------------------- */

/* Activations with one norm of two channels. */
static double distance_of(const float *scale, const double *mean, const double *square)
{
	static const float shift[] = {1.0f, -2.0f};
	struct thaw_norm_statistics norm = {"bn", 2, scale, shift, mean, square};
	struct thaw_activations t = {.norm_count = 1, .norms = &norm};
	struct thaw_similarity s;
	assert_int_equal(thaw_similarity_measure(&s, &t), THAW_OK);
	double distance = s.distance;
	assert_true(s.from_norms && distance == s.layer[0]);
	thaw_similarity_release(&s);
	assert_null(s.layer);
	return distance;
}

static void distances_are_in_units_of_the_scale(void **state)
{
	(void)state;
	static const float scale[] = {0.5f, -4.0f}, one_dead[] = {1e-4f, -4.0f}, dead[] = {0.0f, 0.0f};
	assert_true(distance_of(scale, (double[]){1, -2}, (double[]){1.25, 20}) == 0.0);
	assert_near("by a scale", distance_of(scale, (double[]){1.5, -2}, (double[]){2.5, 20}), 0.5, 1.0);
	assert_near("twice as wide", distance_of(scale, (double[]){1, -2}, (double[]){1.25, 68}), 0.5, 1.0);
	assert_near("both", distance_of(scale, (double[]){1, 10}, (double[]){1.25, 500}), sqrt(9.0 + 16.0) / 2, 1.0);
	assert_near("constant", distance_of(scale, (double[]){1, -2}, (double[]){1, 4}), 1.0, 1.0);
	assert_true(distance_of(one_dead, (double[]){77, -2}, (double[]){7000, 20}) == 0.0);
	assert_true(distance_of(dead, (double[]){77, -2}, (double[]){7000, 20}) == 0.0);
}

/* Without norms: the relative entropy of the classifier, 0 if certain and 1 if uniform. */
static void without_norms_the_distance_is_an_entropy(void **state)
{
	(void)state;
	float probability[] = {0.25f, 0.25f, 0.25f, 0.25f, 1.0f, 0.0f, 0.0f, 0.0f},
	      features[] = {3.0f, 4.0f, 0.0f, 1.0f};
	struct thaw_activations t = {.count = 2, .source_classes = 4, .probability = probability, .cut_count = 1};
	struct thaw_similarity s;
	t.width[0] = 2;
	t.features[0] = features;
	assert_int_equal(thaw_similarity_measure(&s, &t), THAW_OK);
	assert_false(s.from_norms);
	assert_int_equal(s.layers, 0);
	assert_near("entropy", s.distance, 0.5, 1.0);
	assert_near("confidence", s.confidence, 0.625, 1.0);
	assert_near("the features' length", s.feature_norm, 3.0, 1.0);
	thaw_similarity_release(&s);
	t.count = 0;
	assert_int_equal(thaw_similarity_measure(&s, &t), THAW_OK);
	assert_true(s.distance == 1.0 && s.confidence == 0.0 && s.feature_norm == 0.0);
	thaw_similarity_release(&s);
}

/* The bundled network, trained on CIFAR-10: noise is further away than photographs of clothes. */
static void noise_is_further_away_than_photographs(void **state)
{
	(void)state;
	static const char path[] = "/usr/share/datasets/fashion-mnist";
	if (access(path, R_OK) != 0) {
		print_message("needs the Debian package dataset-fashion-mnist\n");
		skip();
	}
	struct thaw_model *m = load("builtin", 0);
	struct recipe all = {.starved = -1, .noise = 1.0};
	struct thaw_dataset noise = waves(5 * IMAGES, &all), clothes;
	struct thaw_dataset_options options = {.seed = 1, .limit_per_class = 10};
	assert_int_equal(thaw_dataset_open(&clothes, path, THAW_SPLIT_TRAIN, &options), THAW_OK);
	assert_true(distance_to(m, &clothes) < 0.7 * distance_to(m, &noise));
	thaw_dataset_close(&clothes);
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features_equal_those_of_an_executor),
		cmocka_unit_test(sums_of_norms_equal_those_of_an_executor),
		cmocka_unit_test(any_number_of_ranks_gives_the_same_bits),
		cmocka_unit_test(a_failure_on_one_rank_fails_all_ranks),
		cmocka_unit_test(damaged_images_do_not_affect_others),
		cmocka_unit_test(the_image_is_not_a_feature),
		cmocka_unit_test(training_images_have_distance_0),
		cmocka_unit_test(distances_are_in_units_of_the_scale),
		cmocka_unit_test(without_norms_the_distance_is_an_entropy),
		cmocka_unit_test(noise_is_further_away_than_photographs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
