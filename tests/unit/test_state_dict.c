/* State dicts as trainers save them: prefixes, nested dicts, other objects beside them, shards, folders. Each test
 * writes the weights of a small network in some way and expects to read the same ones, or the right words. */
#include <math.h>
#include <sys/stat.h>

#include "src/model/model_internal.h"
#include "src/model/shards.h"
#include "tests/scratch.h"
#include "tests/unit/pth_writer.h"
#include "thaw/memory.h"

#define NETWORK "cifar_resnet8"

struct fixture {
	struct scratch *folder;
	struct thaw_weights w; /* of NETWORK, without metadata */
	uint64_t digest;
};

static void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static void expect_words(const char *text, const char *words)
{
	if (!text || !strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text ? text : "nothing", words);
}

/* Reads the weights of a network with random values. */
static void read_network(struct thaw_weights *w, uint64_t *digest, const char *network, const char *path)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, network, 0, 7));
	*digest = m->digest;
	expect(thaw_model_save(m, path, false));
	thaw_model_destroy(m);
	expect(thaw_weights_read(w, path));
	for (int i = 0; i < w->metadata_count; i++) { /* its variant would be used */
		thaw_free(w->metadata[i].key);
		thaw_free(w->metadata[i].value);
	}
	w->metadata_count = 0;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *folder = NULL;
	assert_int_equal(scratch_make(&folder), 0);
	f->folder = folder;
	read_network(&f->w, &f->digest, NETWORK, scratch_file(f->folder, "whole.safetensors"));
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	void *folder = f->folder;
	thaw_weights_free(&f->w);
	free(f);
	return scratch_remove(&folder);
}

static void write_set(const struct thaw_weights *w, const char *path)
{
	struct thaw_file_writer *file = NULL;
	expect(thaw_file_writer_open(&file, path));
	expect(thaw_safetensors_write(w, thaw_file_writer_sink(file)));
	expect(thaw_file_writer_commit(file));
}

/* Copies of the tensors with a prefix, appended to the set `to`; names are from malloc. */
static void add_copies(struct thaw_weights *to, const struct thaw_weights *w, const char *prefix)
{
	to->tensors = realloc(to->tensors, (size_t)(to->count + w->count + 1) * sizeof(*to->tensors));
	for (int i = 0; i < w->count; i++) {
		struct thaw_named_tensor *t = &to->tensors[to->count++];
		*t = w->tensors[i];
		t->name = malloc(256);
		snprintf(t->name, 256, "%s%s", prefix, w->tensors[i].name);
	}
}

/* Appends one tensor; there must be room for one, and its values are static. */
static void add_tensor(struct thaw_weights *to, const char *name, struct thaw_shape shape)
{
	static const float zeros[4096];
	to->tensors = realloc(to->tensors, (size_t)(to->count + 1) * sizeof(*to->tensors));
	struct thaw_named_tensor *t = &to->tensors[to->count++];
	*t = (struct thaw_named_tensor){.name = strdup(name), .dtype = THAW_F32, .shape = shape, .data = zeros};
}

static void free_copies(struct thaw_weights *w)
{
	for (int i = 0; i < w->count; i++)
		free(w->tensors[i].name);
	free(w->tensors);
	*w = (struct thaw_weights){0};
}

static struct thaw_named_tensor *find(struct thaw_weights *w, const char *name)
{
	for (int i = 0; i < w->count; i++)
		if (strcmp(w->tensors[i].name, name) == 0)
			return &w->tensors[i];
	fail_msg("no tensor %s", name);
	return NULL;
}

/* The file has the weights with this digest; the note has these words (NULL: there is no note). */
static void expect_model(const char *path, const char *key, uint64_t digest, const char *words)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load_key(&m, path, key, 0, 0));
	if (m->digest != digest)
		fail_msg("%s: other weights: %s", path, m->notes ? m->notes : "");
	assert_false(m->features_only);
	if (words)
		expect_words(m->notes, words);
	else
		assert_null(m->notes);
	thaw_model_destroy(m);
}

static void expect_refusal(const char *path, const char *key, thaw_status wanted, const char *words)
{
	struct thaw_model *m = NULL;
	if (thaw_model_load_key(&m, path, key, 0, 0) != wanted)
		fail_msg("%s", thaw_error_message());
	assert_null(m);
	expect_words(thaw_error_message(), words);
	assert_null(strchr(thaw_error_message(), '\n'));
}

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

static void put_text(const struct fixture *f, const char *name, const char *text)
{
	scratch_put(scratch_file(f->folder, name), text, strlen(text));
}

/* An index of two files, as a path and as a folder. */
static void test_shards(void **state)
{
	struct fixture *f = *state;
	struct thaw_weights part = {0};
	const int half = f->w.count / 2;
	char *map = thaw_strdup("{\"metadata\": {}, \"weight_map\": {");
	for (int k = 0; k < 2; k++) {
		struct thaw_weights range = {.tensors = f->w.tensors + (k ? half : 0),
					     .count = k ? f->w.count - half : half};
		add_copies(&part, &range, "module.");
		write_set(&part, scratch_file(f->folder, k ? "b.safetensors" : "a.safetensors"));
		for (int i = 0; i < part.count; i++) {
			char *longer = thaw_format("%s%s\"%s\": \"%c.safetensors\"", map, k || i ? ", " : "",
						   part.tensors[i].name, "ab"[k]);
			thaw_free(map);
			map = longer;
		}
		free_copies(&part);
	}
	char *index = thaw_format("%s}}", map);
	unlink(scratch_file(f->folder, "whole.safetensors"));
	put_text(f, "model.safetensors.index.json", index);
	expect_model(f->folder->path, NULL, f->digest, "module.");
	expect_model(scratch_file(f->folder, "model.safetensors.index.json"), NULL, f->digest, "module.");
	thaw_free(index);
	index = thaw_format("%s, \"extra\": \"a.safetensors\"}}", map);
	put_text(f, "model.safetensors.index.json", index);
	expect_refusal(f->folder->path, NULL, THAW_DATA, "tensor extra of the index is missing");
	static const char *const outside[] = {"\"../a.safetensors\"", "\"/etc/passwd\"", "\"\"", "1", "\"..\""};
	for (size_t i = 0; i < sizeof(outside) / sizeof(*outside); i++) {
		char text[128];
		snprintf(text, sizeof(text), "{\"weight_map\": {\"w\": %s}}", outside[i]);
		put_text(f, "model.safetensors.index.json", text);
		expect_refusal(f->folder->path, NULL, THAW_DATA, "not the name of a file in its folder");
	}
	put_text(f, "model.safetensors.index.json", "{\"weight_map\": {\"w\": \"none.safetensors\"}}");
	expect_refusal(f->folder->path, NULL, THAW_IO, "none.safetensors");
	put_text(f, "model.safetensors.index.json", "{}");
	expect_refusal(f->folder->path, NULL, THAW_DATA, "no weight_map");
	put_text(f, "model.safetensors.index.json", "{");
	expect_refusal(f->folder->path, NULL, THAW_DATA, "invalid JSON");
	thaw_free(index);
	thaw_free(map);
}

/* Writes tensor `name` with these values of the metadata. */
static void put_shard(const struct fixture *f, const char *file, const char *name, const char *labels)
{
	static const float zero[2] = {0};
	struct thaw_named_tensor tensor = {(char *)name, THAW_F32, thaw_shape_of(2), zero};
	struct thaw_pair pairs[] = {{"format", (char *)file}, {"thaw.labels", (char *)labels}};
	struct thaw_weights w = {.tensors = &tensor, .count = 1, .metadata = pairs, .metadata_count = labels ? 2 : 1};
	write_set(&w, scratch_file(f->folder, file));
}

/* The metadata of all files counts; Thaw's own must agree. */
static void test_shards_metadata(void **state)
{
	struct fixture *f = *state;
	struct thaw_weights w = {0};
	const char *index = "model.safetensors.index.json";
	put_text(f, index, "{\"weight_map\": {\"x\": \"a.safetensors\", \"y\": \"b.safetensors\"}}");
	put_shard(f, "a.safetensors", "x", NULL);
	put_shard(f, "b.safetensors", "y", "[\"cat\"]");
	assert_int_equal(thaw_weights_read(&w, scratch_file(f->folder, "a.safetensors")), THAW_OK);
	assert_null(thaw_weights_get(&w, "thaw.labels"));
	thaw_weights_free(&w);
	assert_int_equal(thaw_weights_read_index(&w, scratch_file(f->folder, index)), THAW_OK);
	assert_int_equal(w.metadata_count, 2);
	assert_string_equal(thaw_weights_get(&w, "format"), "a.safetensors");
	assert_string_equal(thaw_weights_get(&w, "thaw.labels"), "[\"cat\"]");
	thaw_weights_free(&w);
	put_shard(f, "a.safetensors", "x", "[\"dog\"]");
	assert_int_equal(thaw_weights_read_index(&w, scratch_file(f->folder, index)), THAW_DATA);
	expect_words(thaw_error_message(), "the files differ in their metadata thaw.labels");
}

static void test_folders(void **state)
{
	struct fixture *f = *state;
	struct pth_writer pth = {0};
	rename(scratch_file(f->folder, "whole.safetensors"), scratch_file(f->folder, "other.safetensors"));
	expect_refusal(f->folder->path, NULL, THAW_IO, "give one of its files: other.safetensors");
	pth_begin(&pth);
	pth_state_dict(&pth, &f->w, "");
	pth_end(&pth, scratch_file(f->folder, "pytorch_model.bin"));
	expect_model(f->folder->path, NULL, f->digest, NULL);
	assert_int_equal(mkdir(scratch_file(f->folder, "empty"), 0700), 0);
	expect_refusal(scratch_file(f->folder, "empty"), NULL, THAW_IO, "it is empty");
	put_text(f, "empty/notes.txt", "x");
	expect_refusal(scratch_file(f->folder, "empty"), NULL, THAW_IO, "it has notes.txt");
	assert_int_equal(mkdir(scratch_file(f->folder, "hub"), 0700), 0); /* a repository in the Hub's cache */
	assert_int_equal(mkdir(scratch_file(f->folder, "hub/refs"), 0700), 0);
	assert_int_equal(mkdir(scratch_file(f->folder, "hub/snapshots"), 0700), 0);
	assert_int_equal(mkdir(scratch_file(f->folder, "hub/snapshots/c0ffee"), 0700), 0);
	put_text(f, "hub/refs/main", "c0ffee\n");
	expect_refusal(scratch_file(f->folder, "hub"), NULL, THAW_IO, "hub/snapshots/c0ffee: it is empty");
	assert_int_equal(symlink("../../../other.safetensors",
				 scratch_file(f->folder, "hub/snapshots/c0ffee/model.safetensors")),
			 0);
	expect_model(scratch_file(f->folder, "hub"), NULL, f->digest, NULL);
	put_text(f, "empty/metrics.jsonl", "");
	expect_refusal(scratch_file(f->folder, "empty"), NULL, THAW_IO, "when the run is done");
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

/* The name that transformers' ResNetForImageClassification gives a tensor of torchvision's ResNet. */
static void transformers_name(char *to, const char *name)
{
	int stage, block, unit, used = 0;
	char kind[8] = "";
	if (sscanf(name, "conv1.%n", &used) == 0 && used)
		sprintf(to, "resnet.embedder.embedder.convolution.%s", name + used);
	else if (sscanf(name, "bn1.%n", &used) == 0 && used)
		sprintf(to, "resnet.embedder.embedder.normalization.%s", name + used);
	else if (sscanf(name, "fc.%n", &used) == 0 && used)
		sprintf(to, "classifier.1.%s", name + used);
	else if (sscanf(name, "layer%d.%d.downsample.%d.%n", &stage, &block, &unit, &used) == 3)
		sprintf(to, "resnet.encoder.stages.%d.layers.%d.shortcut.%s.%s", stage - 1, block,
			unit ? "normalization" : "convolution", name + used);
	else if (sscanf(name, "layer%d.%d.%4[a-z]%d.%n", &stage, &block, kind, &unit, &used) == 4)
		sprintf(to, "resnet.encoder.stages.%d.layers.%d.layer.%d.%s.%s", stage - 1, block, unit - 1,
			strcmp(kind, "bn") == 0 ? "normalization" : "convolution", name + used);
}

static void test_transformers(void **state)
{
	struct fixture *f = *state;
	struct thaw_weights whole = {0}, w = {0};
	uint64_t digest;
	const char *path = scratch_file(f->folder, "hf.safetensors");
	read_network(&whole, &digest, "resnet18", path);
	add_copies(&w, &whole, "");
	for (int i = 0; i < w.count; i++)
		transformers_name(w.tensors[i].name, whole.tensors[i].name);
	path = scratch_file(f->folder, "renamed.safetensors");
	write_set(&w, path);
	expect_model(path, NULL, digest, "its names are those of transformers");
	free_copies(&w);

	/* fastai: a sequence of the body, which is one of the children, and a head. */
	static const char *const children[] = {"conv1.", "bn1.", "?", "?", "layer1.", "layer2.", "layer3.", "layer4."};
	struct thaw_model *m = NULL;
	add_copies(&w, &whole, "");
	for (int i = 0; i < w.count; i++)
		for (int k = 0; k < 8; k++)
			if (strncmp(whole.tensors[i].name, children[k], strlen(children[k])) == 0)
				snprintf(w.tensors[i].name, 256, "0.%d.%s", k,
					 whole.tensors[i].name + strlen(children[k]));
	strcpy(find(&w, "fc.weight")->name, "1.8.weight");
	strcpy(find(&w, "fc.bias")->name, "1.8.bias");
	write_set(&w, path);
	expect(thaw_model_load(&m, path, 0, 0));
	expect_words(m->notes, "nn.Sequential(*resnet.children())");
	expect_words(m->notes, "passed over: 1; no classifier");
	const int conv = thaw_graph_find_param(m->graph, "bn1.weight");
	assert_memory_equal(m->graph->params[conv].data, thaw_weights_find(&whole, "bn1.weight")->data, 64 * 4);
	thaw_model_destroy(m);
	free_copies(&w);
	thaw_weights_free(&whole);
}

/* Networks that differ in layers without weights, or in strides. */
static void test_lookalikes(void **state)
{
	struct fixture *f = *state;
	static const char *const configs[][2] = {
		{"{\"architecture\": \"resnetblur18\"}", "resnetblur18, which has the tensors of resnet18"},
		{"{\"architecture\": \"resnetaa50d.a1\"}", "resnetaa50d.a1, which has the tensors of"},
		{"{\"model_type\": \"resnet\", \"downsample_in_bottleneck\": true}",
		 "downsample_in_bottleneck, which has"},
		{"{\"model_type\": \"resnet\", \"downsample_in_first_stage\": true}", "downsample_in_first_stage, "},
		{"{\"model_type\": \"resnet\", \"hidden_act\": \"gelu\"}", "gelu, which has the tensors of"},
	};
	static const char *const plain[] = {
		"{\"architecture\": \"resnet18.tv_in1k\"}",
		"{\"model_type\": \"resnet\", \"downsample_in_bottleneck\": false, \"hidden_act\": \"relu\"}"};
	struct thaw_weights whole = {0};
	uint64_t digest;
	read_network(&whole, &digest, "resnet18", scratch_file(f->folder, "hub.safetensors"));
	const char *blur = scratch_file(f->folder, "resnetblur18-84f4748f.safetensors");
	write_set(&whole, blur);
	expect_refusal(blur, NULL, THAW_CONFIG, "resnetblur18-84f4748f.safetensors, which has the tensors of resnet18");
	char *path = thaw_strdup(scratch_file(f->folder, "model.safetensors"));
	write_set(&whole, path);
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++) {
		put_text(f, "config.json", configs[i][0]);
		expect_refusal(path, NULL, THAW_CONFIG, configs[i][1]);
		expect_words(thaw_error_message(), "torch.onnx.export");
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++) {
		put_text(f, "config.json", plain[i]);
		expect_model(path, NULL, digest, NULL);
	}
	thaw_free(path);
	thaw_weights_free(&whole);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_prefixes),      TEST(test_other_tensors),   TEST(test_keys),
		TEST(test_lists),         TEST(test_opaque_objects),  TEST(test_pickled_module),
		TEST(test_classifier),    TEST(test_damaged_values),  TEST(test_channels_and_unknown_networks),
		TEST(test_shards),        TEST(test_shards_metadata), TEST(test_folders),
		TEST(test_element_types), TEST(test_transformers),    TEST(test_lookalikes),
	};
	return cmocka_run_group_tests_name("state_dict", tests, NULL, NULL);
}
