/* State dicts as trainers save them: prefixes, nested dicts, lists, other objects beside them. Each test writes the
 * weights of a small network in some way and expects to read the same ones, or the right words. */
#include "tests/unit/weights_fixture.h"

#include <math.h>

#include "tests/unit/pth_writer.h"

static void test_prefixes(void **state)
{
	struct fixture *f = *state;
	static const struct {
		const char *prefix, *words;
	} cases[] = {
		{"module.", "removed from the names: module."},
		{"_orig_mod.", "_orig_mod."},
		{"module._orig_mod.", "module., _orig_mod."},
		{"_orig_mod.module.module.", "module., _orig_mod."},
		{"model.", "removed the prefix model."},
		{"net.backbone.", "removed the prefix net.backbone."},
		{"model.module.encoder.network.student.", "removed the prefix model.encoder.network.student."},
	};
	expect_model(scratch_file(f->folder, "whole.safetensors"), NULL, f->digest, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_weights w = {0};
		struct pth_writer pth = {0};
		add_copies(&w, &f->w, cases[i].prefix);
		write_set(&w, scratch_file(f->folder, "p.safetensors"));
		expect_model(scratch_file(f->folder, "p.safetensors"), NULL, f->digest, cases[i].words);
		pth_begin(&pth);
		pth_state_dict(&pth, &f->w, cases[i].prefix);
		pth_end(&pth, scratch_file(f->folder, "p.bin")); /* by content, not by its name */
		expect_model(scratch_file(f->folder, "p.bin"), NULL, f->digest, cases[i].words);
		free_copies(&w);
	}
	struct thaw_weights w = {0};
	add_copies(&w, &f->w, "");
	strcpy(find(&w, "layer1.0.conv1.weight")->name, "layer1._orig_mod.0.conv1.weight"); /* a compiled part */
	write_set(&w, scratch_file(f->folder, "p.safetensors"));
	expect_model(scratch_file(f->folder, "p.safetensors"), NULL, f->digest, "_orig_mod.");
	free_copies(&w);
}

/* What is beside the network is passed over and named; what changes the network is refused. */
static void test_other_tensors(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "o.safetensors");
	struct thaw_weights w = {0};
	add_copies(&w, &f->w, "backbone.");
	add_tensor(&w, "criterion.weight", thaw_shape_of(10));
	add_tensor(&w, "val_acc.tp", thaw_shape_of(10));
	write_set(&w, path);
	expect_model(path, NULL, f->digest, "passed over: criterion, val_acc");
	free_copies(&w);

	add_copies(&w, &f->w, "module.");
	add_tensor(&w, "n_averaged", thaw_shape_of(1));
	add_tensor(&w, "criterion.weight", thaw_shape_of(10));
	write_set(&w, path);
	expect_model(path, NULL, f->digest, "passed over: n_averaged, criterion.weight");
	free_copies(&w);

	/* A linear layer after the network: its own classifier is not that of the file. */
	struct thaw_model *m = NULL;
	add_copies(&w, &f->w, "backbone.");
	add_tensor(&w, "head.weight", thaw_shape_of(3, 10));
	write_set(&w, path);
	expect(thaw_model_load(&m, path, 0, 0));
	expect_words(m->notes, "no classifier: head.weight follows the network");
	assert_int_equal(thaw_model_check_classifier(m), THAW_DATA);
	thaw_model_destroy(m);
	free_copies(&w);

	static const char *const refused[] = {"cbam.conv.weight", "layer1.0.se.weight", "fc2.weight", "bn1.extra"};
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		char words[128];
		add_copies(&w, &f->w, i % 2 ? "" : "model.");
		snprintf(words, sizeof(words), "%s%s", i % 2 ? "" : "model.", refused[i]);
		add_tensor(&w, words, thaw_shape_of(i == 3 ? 1 : 2)); /* a number inside the network counts */
		write_set(&w, path);
		snprintf(words, sizeof(words), "tensor %s is not part of " NETWORK, refused[i]);
		expect_refusal(path, NULL, THAW_DATA, words);
		free_copies(&w);
	}
}

/* A run that began with the weights of this key finds them again. */
static void expect_origin(struct fixture *f, const char *path, const char *key, uint64_t digest)
{
	char *labels[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
	const char *run = scratch_file(f->folder, ".");
	struct thaw_model *m = NULL;
	expect(thaw_model_load_key(&m, path, key, 10, 8));
	expect(thaw_model_set_classes(m, 10, labels, 8));
	expect(thaw_model_save_origin(m, path, key, 8, run));
	thaw_model_destroy(m);
	expect(thaw_model_load_origin(&m, run));
	assert_true(m->digest == digest);
	thaw_model_destroy(m);
}

/* Two networks under two prefixes: the plain one unless the other is asked for. */
static void test_keys(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "k.safetensors");
	struct thaw_weights other = {0}, w = {0};
	uint64_t average;
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, NETWORK, 0, 8));
	average = m->digest;
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	expect(thaw_weights_read(&other, path));

	path = scratch_file(f->folder, "both.safetensors");
	add_copies(&w, &other, "ema_model.module.");
	add_copies(&w, &f->w, "model.");
	write_set(&w, path);
	expect_model(path, NULL, f->digest, "other weights, for --weights-key: ema_model");
	expect_model(path, "model", f->digest, "removed the prefix model.");
	expect_model(path, "ema_model", average, "removed the prefix ema_model.");
	expect_refusal(path, "nothing", THAW_USAGE, "--weights-key nothing");
	expect_words(thaw_error_message(), "it has ema_model, model");
	free_copies(&w);

	expect_origin(f, path, "ema_model", average);

	struct pth_writer pth = {0};
	path = scratch_file(f->folder, "both.pth.tar");
	pth_begin(&pth);
	PTH(&pth, "}(X\x5\0\0\0epochK\3X\x9\0\0\0optimizer}X\xe\0\0\0state_dict_ema");
	pth_state_dict(&pth, &other, "");
	pth_text(&pth, "state_dict");
	pth_state_dict(&pth, &f->w, "module.");
	PTH(&pth, "u");
	pth_end(&pth, path);
	expect_model(path, NULL, f->digest, "took state_dict; removed from the names: module.");
	expect_model(path, NULL, f->digest, "other weights, for --weights-key: state_dict_ema");
	expect_model(path, NULL, f->digest, "passed over: epoch, optimizer");
	expect_model(path, "state_dict_ema", average, "took state_dict_ema");
	expect_refusal(path, "ema", THAW_USAGE, "state_dict, state_dict_ema");
	expect_refusal(NETWORK, "ema", THAW_USAGE, "--weights-key is for files");
	expect_refusal("builtin", "ema", THAW_USAGE, "--weights-key is for files");
	thaw_weights_free(&other);
}

/* A list of state dicts: the note names the item, and a key chooses another one in either form. */
static void test_lists(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "list.pth");
	struct thaw_weights other = {0};
	struct thaw_model *m = NULL;
	uint64_t second;
	expect(thaw_model_load(&m, NETWORK, 0, 8));
	second = m->digest;
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	expect(thaw_weights_read(&other, path));

	struct pth_writer pth = {0};
	pth_begin(&pth);
	PTH(&pth, "](");
	pth_state_dict(&pth, &f->w, "");
	pth_state_dict(&pth, &other, "");
	PTH(&pth, "K\7e");
	pth_end(&pth, path);
	expect_model(path, NULL, f->digest,
		     "took item 0 of the list; other weights, for --weights-key: [1]; passed over: [2]");
	expect_model(path, "[1]", second, "took item 1 of the list; other weights, for --weights-key: [0]");
	expect_model(path, "1", second, "took item 1 of the list");

	pth_begin(&pth);
	PTH(&pth, "](K\7}");
	pth_text(&pth, "models");
	PTH(&pth, "](");
	pth_state_dict(&pth, &f->w, "");
	pth_state_dict(&pth, &other, "");
	PTH(&pth, "ese");
	pth_end(&pth, path);
	expect_model(path, NULL, f->digest, "took models[0] in item 1 of the list");
	expect_model(path, "[1].models[1]", second, "took models[1] in item 1 of the list");
	expect_model(path, "models.1", second, "took models[1] in item 1 of the list");

	pth_begin(&pth);
	PTH(&pth, "](K\7K\x8"
		  "e");
	pth_end(&pth, path);
	expect_refusal(path, NULL, THAW_DATA, "it has no dict of tensors, only a list: save model.state_dict()");
	thaw_weights_free(&other);
}

/* Objects of all kinds beside the weights are opaque. Protocol 4 and 5 opcodes are used as they come. */
static void test_opaque_objects(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "opaque.ckpt");
	struct pth_writer pth = {0};
	pth_begin(&pth);
	PTH(&pth, "}(");
	pth_text(&pth, "args");
	PTH(&pth, "cargparse\nNamespace\n)\x81}X\2\0\0\0lrG?\xb9\x99\x99\x99\x99\x99\x9asb");
	pth_text(&pth, "best");
	PTH(&pth, "cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nX\2\0\0\0f8\x89\x88\x87R(K\3X\1\0\0\0<NNNtbC\x8"
		  "01234567\x86R");
	pth_text(&pth, "path");
	PTH(&pth, "cpathlib\nPosixPath\nX\1\0\0\0/\x85R");
	pth_text(&pth, "type");
	PTH(&pth, "ctorch\nfloat32\n");
	pth_text(&pth, "counts");
	PTH(&pth, "ccollections\nCounter\n}X\1\0\0\0aK\1s\x85R");
	pth_text(&pth, "set");
	PTH(&pth, "\x8f(K\1K\2\x90");
	pth_text(&pth, "frozen");
	PTH(&pth, "(K\1\x91");
	pth_text(&pth, "id");
	PTH(&pth, "\x8a\x10"
		  "0123456789abcdef");
	pth_text(&pth, "keywords");
	PTH(&pth, "cmy.module\nClass\n)}\x92");
	pth_text(&pth, "function");
	PTH(&pth, "cmy.module\nfunction\n");
	pth_text(&pth, "slots");
	PTH(&pth, "cmy.module\nSlots\n)\x81N}X\1\0\0\0aK\1s\x86"
		  "b");
	pth_text(&pth, "nested");
	PTH(&pth, "ccollections\ndefaultdict\ncbuiltins\ndict\n\x85R(");
	pth_text(&pth, "weights");
	pth_state_dict(&pth, &f->w, "");
	PTH(&pth, "uu");
	pth_end(&pth, path);
	expect_model(path, NULL, f->digest,
		     "took nested.weights; passed over: args, best, path, type, counts, set, frozen, id");

	pth_begin(&pth);
	PTH(&pth, "}(X\1\0\0\0xccommands\ngetoutput\nX\2\0\0\0id\x85RX\1\0\0\0w");
	pth_state_dict(&pth, &f->w, "");
	PTH(&pth, "u");
	pth_end(&pth, path);
	expect_refusal(path, NULL, THAW_DATA, "refused");
	expect_words(thaw_error_message(), "commands.getoutput");
}

/* Writes a module with the state of every nn.Module: parameters and buffers of this level, then the modules. */
static void put_module(struct pth_writer *pth, const struct thaw_weights *w, const char *prefix, int depth)
{
	size_t length = strlen(prefix);
	PTH(pth, "cmy.networks\nModule\n)\x81}(X\x8\0\0\0trainingN");
	pth_text(pth, "_parameters");
	PTH(pth, "}(");
	for (int i = 0; i < w->count; i++) {
		const char *name = w->tensors[i].name;
		if (strncmp(name, prefix, length) == 0 && !strchr(name + length, '.')) {
			pth_text(pth, name + length);
			pth_tensor(pth, &w->tensors[i]);
		}
	}
	PTH(pth, "X\4\0\0\0noneNu");
	pth_text(pth, "_buffers");
	PTH(pth, "}");
	pth_text(pth, "_modules");
	PTH(pth, "ccollections\nOrderedDict\n)R(");
	char part[64], before[64] = "";
	for (int i = 0; i < w->count && depth < 6; i++) {
		const char *name = w->tensors[i].name;
		if (strncmp(name, prefix, length) != 0 || !strchr(name + length, '.'))
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)strcspn(name + length, "."), name + length);
		if (strcmp(part, before) == 0)
			continue;
		snprintf(before, sizeof(before), "%s", part);
		pth_text(pth, part);
		char inner[256];
		snprintf(inner, sizeof(inner), "%s%s.", prefix, part);
		put_module(pth, w, inner, depth + 1);
	}
	PTH(pth, "uub");
}

static void test_pickled_module(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "module.pt");
	struct pth_writer pth = {0};
	pth_begin(&pth);
	put_module(&pth, &f->w, "", 0);
	pth_end(&pth, path);
	expect_model(path, NULL, f->digest, "parameters of a pickled my.networks.Module, whose code was not run");

	pth_begin(&pth); /* a module that contains itself */
	PTH(&pth, "cmy\nM\n)\x81q\0}(X\xb\0\0\0_parameters}X\x8\0\0\0_modules}X\1\0\0\0mh\0sub");
	pth_end(&pth, path);
	expect_refusal(path, NULL, THAW_DATA, "too many parts");
}

/* Training replaces a classifier that is missing, renamed or of another shape; nothing else may be missing. */
static void test_classifier(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "c.safetensors");
	static const char *const names[][2] = {{"fc.1.weight", "fc.1.bias"},
					       {"head.weight", "head.bias"},
					       {"classifier.3.weight", "classifier.3.bias"},
					       {NULL, NULL}};
	static char *labels[] = {"a", "b"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct thaw_weights w = {0};
		struct thaw_model *m = NULL;
		add_copies(&w, &f->w, "");
		strcpy(find(&w, "fc.weight")->name, names[i][0] ? names[i][0] : "loss.weight");
		strcpy(find(&w, "fc.bias")->name, names[i][1] ? names[i][1] : "loss.bias");
		write_set(&w, path);
		expect(thaw_model_load(&m, path, 0, 0));
		assert_true(m->features_only);
		expect_words(m->notes, "no classifier: fc.weight is missing");
		assert_int_equal(thaw_model_check_classifier(m), THAW_DATA);
		expect_words(thaw_error_message(), "train it first");
		expect(thaw_model_set_classes(m, 2, labels, 1));
		assert_int_equal(m->classes, 2);
		int conv = thaw_graph_find_param(m->graph, "layer3.0.bn2.weight");
		assert_memory_equal(m->graph->params[conv].data, find(&w, "layer3.0.bn2.weight")->data, 64);
		thaw_model_destroy(m);
		free_copies(&w);
	}
	struct thaw_weights w = {0};
	add_copies(&w, &f->w, "");
	strcpy(find(&w, "layer3.0.bn2.bias")->name, "fc.2.bias");
	write_set(&w, path);
	expect_refusal(path, NULL, THAW_DATA, "tensor layer3.0.bn2.bias of " NETWORK " is missing");
	free_copies(&w);
}

static void test_damaged_values(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "nan.safetensors");
	static const struct {
		const char *tensor, *words;
		float value;
	} cases[] = {
		{"layer2.0.conv1.weight", "damaged weights: tensor layer2.0.conv1.weight has NaN", NAN},
		{"bn1.running_var", "damaged weights: tensor bn1.running_var has infinite values", INFINITY},
		{"fc.bias", "damaged weights: tensor fc.bias has infinite values", -INFINITY},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct thaw_weights w = {0};
		add_copies(&w, &f->w, "");
		struct thaw_named_tensor *t = find(&w, cases[i].tensor);
		size_t count = (size_t)thaw_shape_count(&t->shape);
		float *values = malloc(count * sizeof(*values));
		memcpy(values, t->data, count * sizeof(*values));
		values[count - 1] = cases[i].value;
		t->data = values;
		write_set(&w, path);
		expect_refusal(path, NULL, THAW_DATA, cases[i].words);
		free(values);
		free_copies(&w);
	}
}

static void test_channels_and_unknown_networks(void **state)
{
	struct fixture *f = *state;
	const char *path = scratch_file(f->folder, "u.safetensors");
	struct thaw_weights w = {0};
	add_copies(&w, &f->w, "module.");
	find(&w, "module.conv1.weight")->shape.dim[1] = 1;
	write_set(&w, path);
	expect_refusal(path, NULL, THAW_DATA, "tensor conv1.weight is for 1-channel images");
	expect_words(thaw_error_message(), "weight.repeat(1, 3, 1, 1) / 3");
	char *spec = thaw_format(NETWORK ":%s", path);
	expect_refusal(spec, NULL, THAW_DATA, "tensor conv1.weight is for 1-channel images");
	thaw_free(spec);
	free_copies(&w);

	add_tensor(&w, "blocks.0.attn.qkv.weight", thaw_shape_of(4));
	write_set(&w, path);
	expect_refusal(path, NULL, THAW_DATA, "perhaps a vision transformer (by blocks.0.attn.qkv.weight)");
	expect_words(thaw_error_message(),
		     "torch.onnx.export(model.eval(), torch.zeros(1, 3, 224, 224), \"model.onnx\")");
	static const char config[] = "{\"architectures\": [\"ViTForImageClassification\"]}";
	scratch_put(scratch_file(f->folder, "config.json"), config, sizeof(config) - 1);
	expect_refusal(path, NULL, THAW_DATA, "unknown network, ViTForImageClassification");
	free_copies(&w);
}

static void test_element_types(void **state)
{
	struct fixture *f = *state;
	static const char header[] = "{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[1],\"data_offsets\":[0,1]}} ";
	char bytes[8 + sizeof(header)] = {sizeof(header) - 1};
	memcpy(bytes + 8, header, sizeof(header));
	scratch_put(scratch_file(f->folder, "f8.safetensors"), bytes, sizeof(bytes));
	expect_refusal(scratch_file(f->folder, "f8.safetensors"), NULL, THAW_DATA,
		       "element type F8_E4M3 is not supported");

	const char *path = scratch_file(f->folder, "f8.pth");
	struct pth_writer pth = {0};
	pth_begin(&pth);
	PTH(&pth,
	    "}(X\6\0\0\0weightctorch._utils\n_rebuild_tensor_v3\n((X\7\0\0\0storagectorch.storage\nUntypedStorage\n"
	    "X\1\0\0\0"
	    "0X\3\0\0\0cpuK\1NtQK\0K\1\x85K\1\x85\x89}ctorch\nfloat8_e4m3fn\ntRX\1\0\0\0b");
	struct thaw_named_tensor byte = {.dtype = THAW_U8, .shape = thaw_shape_of(1), .data = "x"};
	pth.storages[pth.count++] = &byte;
	pth_tensor(&pth, &f->w.tensors[0]);
	PTH(&pth, "u");
	pth_end(&pth, path);
	expect_refusal(path, NULL, THAW_DATA, "tensor weight (torch.float8_e4m3fn)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_prefixes),      TEST(test_other_tensors),  TEST(test_keys),
		TEST(test_lists),         TEST(test_opaque_objects), TEST(test_pickled_module),
		TEST(test_classifier),    TEST(test_damaged_values), TEST(test_channels_and_unknown_networks),
		TEST(test_element_types),
	};
	return cmocka_run_group_tests_name("state_dict", tests, NULL, NULL);
}
