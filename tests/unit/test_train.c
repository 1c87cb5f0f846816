/* Parts of training on their own: optimizers against PyTorch, the schedule, which parameters decay, and the counts of
 * the metrics. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "src/train/flat_params.h"
#include "src/train/metrics.h"
#include "src/train/run.h"
#include "tests/unit/comm_threads.h"
#include "thaw/memory.h"

#define COUNT 7
#define STEPS 5

/* Repeats the steps of tests/golden/make_optimizers.py. */
static void optimizer_follows_pytorch(void **state)
{
	const char *name = *state;
	const struct thaw_optimizer *o = thaw_optimizer_find(name);
	json_t *golden = json_load_file("tests/golden/optimizers.json", 0, NULL);
	assert_non_null(o);
	assert_non_null(golden);
	float w[COUNT], g[COUNT], first[COUNT] = {0}, second[COUNT] = {0};
	float *vectors[] = {first, second};
	for (int k = 0; k < COUNT; k++)
		w[k] = (float)cos(k + 1);
	for (int t = 1; t <= STEPS; t++) {
		for (int k = 0; k < COUNT; k++)
			g[k] = (float)sin(k + 1 + 3 * t);
		o->update(w, g, vectors, COUNT, 0.05, 0.1, 0.9, t);
	}
	for (int k = 0; k < COUNT; k++) {
		double wanted = json_number_value(json_array_get(json_object_get(golden, name), (size_t)k));
		if (fabs(w[k] - wanted) > 2e-6)
			fail_msg("%s: weight %d is %.9g, PyTorch's %.9g", name, k, w[k], wanted);
	}
	json_decref(golden);
}

static void an_unknown_optimizer_is_not_found(void **state)
{
	(void)state;
	assert_null(thaw_optimizer_find("adagrad"));
}

static void schedule_rises_and_falls(void **state)
{
	(void)state;
	assert_true(fabs(thaw_schedule(0, 100, 0.1) - 0.1) < 1e-12);
	assert_true(fabs(thaw_schedule(9, 100, 0.1) - 1.0) < 1e-12);
	assert_true(fabs(thaw_schedule(10, 100, 0.1) - 1.0) < 1e-12);
	assert_true(fabs(thaw_schedule(55, 100, 0.1) - 0.5) < 1e-12);
	assert_true(thaw_schedule(99, 100, 0.1) > 0.0 && thaw_schedule(99, 100, 0.1) < 0.001);
	assert_true(fabs(thaw_schedule(0, 1, 0.0) - 1.0) < 1e-12);
	assert_true(fabs(thaw_schedule(0, 1, 1.0) - 1.0) < 1e-12);
	for (int i = 11; i < 100; i++)
		assert_true(thaw_schedule(i, 100, 0.1) < thaw_schedule(i - 1, 100, 0.1));
}

/* A 1x1 convolution, a batch norm and a classifier, one block each. */
static struct thaw_graph *three_blocks(void)
{
	struct thaw_graph *g = thaw_graph_create();
	struct thaw_shape w = thaw_shape_of(1, 1, 3, 4), c = thaw_shape_of(4), fc = thaw_shape_of(2, 4),
			  b = thaw_shape_of(2);
	struct thaw_attrs norm = {.epsilon = 1e-5f, .momentum = 0.25f};
	thaw_graph_block(g, "conv");
	int x = thaw_graph_add(g, "conv", "conv", NULL, (int[]){0}, 1);
	thaw_graph_param(g, x, "conv.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &w, NULL);
	thaw_graph_block(g, "bn");
	x = thaw_graph_add(g, "batch_norm", "bn", &norm, &x, 1);
	thaw_graph_param(g, x, "bn.weight", THAW_ROLE_SCALE, THAW_LAYOUT_SAME, &c, NULL);
	thaw_graph_param(g, x, "bn.bias", THAW_ROLE_SHIFT, THAW_LAYOUT_SAME, &c, NULL);
	thaw_graph_param(g, x, "bn.running_mean", THAW_ROLE_MEAN, THAW_LAYOUT_SAME, &c, NULL);
	thaw_graph_param(g, x, "bn.running_var", THAW_ROLE_VARIANCE, THAW_LAYOUT_SAME, &c, NULL);
	thaw_graph_block(g, "fc");
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &fc, NULL);
	thaw_graph_param(g, x, "fc.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &b, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
	for (int i = 0; i < g->param_count; i++)
		for (int64_t k = 0; k < thaw_shape_count(&g->params[i].shape); k++)
			g->params[i].data[k] = 1.0f;
	return g;
}

/* With zero gradients only decay changes weights, and learned statistics move towards those of the batch. */
static void only_weights_decay(void **state)
{
	(void)state;
	struct thaw_graph *g = three_blocks();
	struct thaw_flat_params *params = NULL;
	struct thaw_comm alone = thaw_comm_alone();
	assert_int_equal(thaw_graph_unfreeze(g, "all"), THAW_OK);
	thaw_graph_batch_statistics(g, true);
	assert_int_equal(thaw_flat_params_create(&params, g, thaw_optimizer_find("sgd"), 0.5, &alone), THAW_OK);
	assert_int_equal(params->count, g->param_count);
	float *zero = thaw_alloc((size_t)params->length, sizeof(*zero));
	const struct thaw_shard whole = {.count = params->length};
	const struct thaw_update update = {.scale = 1.0f, .lr = 0.1, .weight_decay = 0.01, .momentum = 0.9, .t = 1};
	assert_true(thaw_flat_params_update(params, whole, zero, &update));
	for (int i = 0; i < g->param_count; i++) {
		const struct thaw_param *p = &g->params[i];
		double wanted = 1.0;
		if (strcmp(p->name, "fc.weight") == 0)
			wanted = 1.0 - 0.1 * 0.01;
		else if (strcmp(p->name, "conv.weight") == 0) /* two blocks from the classifier */
			wanted = 1.0 - 0.1 * 0.5 * 0.5 * 0.01;
		else if (p->role == THAW_ROLE_MEAN || p->role == THAW_ROLE_VARIANCE)
			wanted = 0.75;
		if (fabs(p->data[0] - wanted) > 1e-7)
			fail_msg("%s is %.9g instead of %.9g", p->name, p->data[0], wanted);
	}
	zero[0] = INFINITY;
	assert_false(thaw_flat_params_update(params, whole, zero, &update));
	zero[0] = 0.0f;
	params->values[1] = NAN;
	assert_false(thaw_flat_params_update(params, whole, zero, &update));
	thaw_free(zero);
	thaw_graph_destroy(g);
	thaw_flat_params_destroy(params);
}

/* No parameter before the cut is trainable, nor are statistics without --bn lane. */
static void frozen_parameters_do_not_train(void **state)
{
	(void)state;
	struct thaw_graph *g = three_blocks();
	struct thaw_flat_params *params = NULL;
	struct thaw_comm alone = thaw_comm_alone();
	assert_int_equal(thaw_graph_unfreeze(g, "from:bn"), THAW_OK);
	assert_int_equal(thaw_flat_params_create(&params, g, thaw_optimizer_find("adamw"), 1.0, &alone), THAW_OK);
	assert_int_equal(params->count, 4);
	for (int i = 0; i < params->count; i++)
		assert_string_not_equal(g->params[params->entries[i].param].name, "conv.weight");
	thaw_graph_destroy(g);
	thaw_flat_params_destroy(params);
}

static void metrics_count_each_image(void **state)
{
	(void)state;
	enum { CLASSES = 7 };
	double sums[METRIC_FIXED + 2 + 3 * CLASSES] = {0};
	const float logits[3 * CLASSES] = {
		9, 1, 2, 3, 4, 5, 6, /* label 0: first */
		9, 1, 2, 3, 4, 5, 6, /* label 1: last of seven */
		1, 1, 1, 1, 1, 1, 1, /* label 4: fifth, ties go to the smaller index */
	};
	int32_t labels[] = {0, 1, 4};
	char *names[CLASSES] = {"a", "b", "c", "d", "e", "f", "\xe9t\xe9"}; /* a folder name in Latin-1 */
	const struct thaw_dataset data = {.count = 3, .classes = CLASSES, .labels = labels, .class_names = names};
	const struct thaw_measure measure = {.dataset = &data};
	assert_int_equal(thaw_metrics_size(&measure), METRIC_FIXED + 2 + 3 * CLASSES);
	thaw_metrics_add(&measure, sums, logits, (const int64_t[]){0, 1, 2}, 3);
	json_t *json = thaw_metrics_json(&measure, sums);
	assert_non_null(json);
	assert_true(fabs(json_number_value(json_object_get(json, "top1")) - 1.0 / 3) < 1e-12);
	assert_true(fabs(json_number_value(json_object_get(json, "top5")) - 2.0 / 3) < 1e-12);
	assert_true(fabs(json_number_value(json_object_get(json, "balanced_accuracy")) - 1.0 / 3) < 1e-12);
	assert_int_equal(json_integer_value(json_object_get(json, "images")), 3);
	json_t *per_class = json_object_get(json, "per_class");
	assert_int_equal(json_object_size(per_class), CLASSES);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(per_class, "b"), "images")), 1);
	assert_true(json_number_value(json_object_get(json_object_get(per_class, "b"), "accuracy")) == 0.0);
	assert_true(json_number_value(json_object_get(json_object_get(per_class, "a"), "accuracy")) == 1.0);
	json_decref(json);
}

#define RANKS 4

/* What each rank found: before, after one bit of a trained weight of rank 2, and of a frozen weight of rank 0. */
struct weights_case {
	int wrong;
};

static thaw_status compare_with_flip(struct run *r, float *value, int rank)
{
	unsigned char *lowest = (unsigned char *)value;
	if (r->comm->rank == rank)
		*lowest ^= 1;
	thaw_status status = run_compare_weights(r);
	if (r->comm->rank == rank)
		*lowest ^= 1;
	return status;
}

static void weights_body(struct thaw_comm *comm, void *argument)
{
	struct weights_case *c = argument;
	struct thaw_graph *g = three_blocks();
	struct run r = {.comm = comm, .at.total_steps = 40, .phase.graph = g};
	thaw_graph_unfreeze(g, "head");
	int wrong = thaw_flat_params_create(&r.phase.params, g, thaw_optimizer_find("sgd"), 1.0, comm) != THAW_OK;
	wrong += run_compare_weights(&r) != THAW_OK;
	wrong += compare_with_flip(&r, r.phase.params->values, 2) != THAW_UNFINISHED;
	wrong += !strstr(thaw_error_message(), "after step 40") || !strstr(thaw_error_message(), "rank 2 on ") ||
		 !strstr(thaw_error_message(), "not like rank 0 on ");
	wrong += compare_with_flip(&r, g->params[0].data, 0) != THAW_UNFINISHED;
	wrong += !strstr(thaw_error_message(), "rank 0 on ") || !strstr(thaw_error_message(), "not like rank 1 on ");
	wrong += run_compare_weights(&r) != THAW_OK;
	thaw_graph_destroy(g);
	thaw_flat_params_destroy(r.phase.params);
	__atomic_fetch_add(&c->wrong, wrong, __ATOMIC_RELAXED);
}

static void a_rank_with_other_weights_is_named(void **state)
{
	(void)state;
	struct weights_case c = {0};
	ranks_run(RANKS, weights_body, &c);
	assert_int_equal(c.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(optimizer_follows_pytorch, (void *)"sgd"),
		{"adamw_follows_pytorch", optimizer_follows_pytorch, NULL, NULL, (void *)"adamw"},
		cmocka_unit_test(an_unknown_optimizer_is_not_found),
		cmocka_unit_test(schedule_rises_and_falls),
		cmocka_unit_test(only_weights_decay),
		cmocka_unit_test(frozen_parameters_do_not_train),
		cmocka_unit_test(metrics_count_each_image),
		cmocka_unit_test(a_rank_with_other_weights_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
