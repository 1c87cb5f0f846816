/* Cuts of the built-in families, of an imported network, and of networks with blocks without parameters. */
#include "tests/scratch.h"

#include <math.h>

#include "src/advise/cuts.h"
#include "thaw/memory.h"
#include "thaw/model.h"

static struct thaw_model *load(const char *spec)
{
	struct thaw_model *m;
	if (thaw_model_load(&m, spec, 0, 1) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return m;
}

/* Checks the contract of thaw_cuts_choose. Returns the number of cuts. */
static int check_cuts(struct thaw_graph *g, int side, struct thaw_cut *cut)
{
	struct thaw_shape image = thaw_shape_of(1, side, side, 3);
	struct thaw_shape *shapes = thaw_alloc((size_t)g->node_count, sizeof(*shapes));
	int count = -1;
	assert_int_equal(thaw_cuts_choose(g, thaw_square(side), cut, &count), THAW_OK);
	assert_int_equal(thaw_graph_infer(g, &image, shapes), THAW_OK);
	assert_true(count >= 1 && count <= THAW_MAX_CUTS);
	assert_int_equal(thaw_graph_cut(g), g->node_count); /* everything is frozen */
	double all = (double)thaw_graph_flops(g, shapes, 1, g->node_count);
	for (int i = 0; i < count; i++) {
		assert_int_equal(thaw_graph_unfreeze(g, cut[i].unfreeze), THAW_OK);
		assert_int_equal(thaw_graph_cut(g), cut[i].node);
		assert_true(thaw_graph_find_block(g, cut[i].block) >= 0);
		double share = (double)thaw_graph_flops(g, shapes, cut[i].node, g->node_count) / all;
		assert_true(fabs(cut[i].share - share) < 1e-12);
		assert_true(i == 0 || (cut[i].share > cut[i - 1].share && cut[i].node < cut[i - 1].node));
	}
	assert_string_equal(cut[0].unfreeze, "head");
	thaw_free(shapes);
	return count;
}

static void cuts_of_families_end_with_everything(void **state)
{
	(void)state;
	static const struct {
		const char *spec;
		int side;
	} networks[] = {{"efficientnet_lite0", 224},
			{"resnet18", 224},
			{"vgg16", 224},
			{"mobilenet_v2", 96},
			{"alexnet", 224},
			{"builtin", 32},

			{"resnet50", 64}};
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++) {
		struct thaw_cut cut[THAW_MAX_CUTS];
		struct thaw_model *m = load(networks[i].spec);
		int count = check_cuts(m->graph, networks[i].side, cut);
		assert_true(count >= 3);
		assert_string_equal(cut[count - 1].unfreeze, "all");
		assert_true(cut[count - 1].share == 1.0);
		thaw_model_destroy(m);
	}
}

/* Exported and imported again, with the blocks of thaw_graph_find_blocks. */
static void cuts_of_imported_networks_end_with_everything(void **state)
{
	const struct scratch *s = *state;
	static const char *const specs[] = {"resnet18", "efficientnet_lite0"};
	for (size_t i = 0; i < sizeof(specs) / sizeof(*specs); i++) {
		struct thaw_cut cut[THAW_MAX_CUTS];
		struct thaw_model *m = load(specs[i]), *imported;
		assert_int_equal(thaw_model_save_onnx(m, scratch_file(s, "net.onnx"), false), THAW_OK);
		thaw_model_destroy(m);
		imported = load(scratch_file(s, "net.onnx"));
		assert_true(imported->imported);
		int count = check_cuts(imported->graph, imported->preprocess.size.height, cut);
		assert_true(count >= 3);
		assert_string_equal(cut[count - 1].unfreeze, "all");
		thaw_model_destroy(imported);
	}
}

static int add_conv(struct thaw_graph *g, const char *name, int x)
{
	struct thaw_shape w = thaw_shape_of(1, 1, 3, 3);
	char weight[64];
	snprintf(weight, sizeof(weight), "%s.weight", name);
	x = thaw_graph_add(g, "conv", name, NULL, &x, 1);
	thaw_graph_param(g, x, weight, THAW_ROLE_WEIGHT, THAW_LAYOUT_CONV, &w, NULL);
	return x;
}

static void add_classifier(struct thaw_graph *g, int x)
{
	struct thaw_shape fc = thaw_shape_of(2, 3), bias = thaw_shape_of(2);
	thaw_graph_block(g, "fc");
	x = thaw_graph_add(g, "average_pool", "pool", NULL, &x, 1);
	x = thaw_graph_add(g, "flatten", "flatten", NULL, &x, 1);
	x = thaw_graph_add(g, "linear", "fc", NULL, &x, 1);
	thaw_graph_param(g, x, "fc.weight", THAW_ROLE_WEIGHT, THAW_LAYOUT_SAME, &fc, NULL);
	thaw_graph_param(g, x, "fc.bias", THAW_ROLE_BIAS, THAW_LAYOUT_SAME, &bias, NULL);
	assert_int_equal(thaw_graph_finish(g), THAW_OK);
}

/* Blocks without parameters at the image, in the middle and before the classifier; block names that are too long. */
static void blocks_without_parameters_add_no_cut(void **state)
{
	(void)state;
	struct thaw_cut cut[THAW_MAX_CUTS];
	struct thaw_graph *g = thaw_graph_create();
	char name[200];
	memset(name, 'b', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	thaw_graph_block(g, "stem");
	int x = thaw_graph_add(g, "activation", "relu", NULL, (int[]){0}, 1);
	thaw_graph_block(g, "first");
	x = add_conv(g, "first", x);
	thaw_graph_block(g, "between");
	x = thaw_graph_add(g, "activation", "between", NULL, &x, 1);
	thaw_graph_block(g, "%s", name);
	x = add_conv(g, "second", x);
	thaw_graph_block(g, "last");
	x = thaw_graph_add(g, "activation", "last", NULL, &x, 1);
	add_classifier(g, x);
	int count = check_cuts(g, 4, cut);
	assert_int_equal(count, 3);
	assert_string_equal(cut[1].unfreeze, "last:2");
	assert_string_equal(cut[2].unfreeze, "all");
	thaw_graph_destroy(g);
}

/* Only a classifier; a classifier after layers without parameters. */
static void a_classifier_alone_has_one_cut(void **state)
{
	(void)state;
	for (int blocks = 0; blocks < 2; blocks++) {
		struct thaw_cut cut[THAW_MAX_CUTS];
		struct thaw_graph *g = thaw_graph_create();
		int x = 0;
		if (blocks) {
			thaw_graph_block(g, "stem");
			x = thaw_graph_add(g, "activation", "relu", NULL, (int[]){0}, 1);
		}
		add_classifier(g, x);
		assert_int_equal(check_cuts(g, 4, cut), 1);
		thaw_graph_destroy(g);
	}
}

static void images_that_are_too_small_are_refused(void **state)
{
	(void)state;
	struct thaw_cut cut[THAW_MAX_CUTS];
	int count = 77;
	struct thaw_model *m = load("alexnet");
	assert_int_equal(thaw_cuts_choose(m->graph, thaw_square(8), cut, &count), THAW_CONFIG);
	assert_int_equal(count, 77);
	thaw_model_destroy(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_of_families_end_with_everything),
		cmocka_unit_test_setup_teardown(cuts_of_imported_networks_end_with_everything, scratch_make,
						scratch_remove),
		cmocka_unit_test(blocks_without_parameters_add_no_cut),
		cmocka_unit_test(a_classifier_alone_has_one_cut),
		cmocka_unit_test(images_that_are_too_small_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
