/* Weights as the Hugging Face Hub has them: several files with an index, folders, transformers' names, and networks
 * that have the tensors of another one. */
#include "tests/unit/weights_fixture.h"

#include <sys/stat.h>

#include "src/model/shards.h"
#include "tests/unit/pth_writer.h"

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

/* Loads a network and saves it: all its tensors keep their names. */
static void expect_same_names(const char *path, const struct thaw_weights *w, const char *saved)
{
	struct thaw_model *m = NULL;
	struct thaw_weights again = {0};
	expect(thaw_model_load(&m, path, 0, 0));
	expect(thaw_model_save(m, saved, false));
	thaw_model_destroy(m);
	expect(thaw_weights_read(&again, saved));
	for (int i = 0; i < w->count; i++)
		assert_non_null(thaw_weights_find(&again, w->tensors[i].name));
	thaw_weights_free(&again);
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
	expect_model(path, NULL, digest, NULL);
	expect_same_names(path, &w, scratch_file(f->folder, "saved.safetensors"));
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

/* A network's options, as they are recorded, contain these words. */
static void expect_options(const char *spec, const char *words)
{
	struct thaw_model *m = NULL;
	expect(thaw_model_load(&m, spec, 0, 0));
	char *text = json_dumps(m->options, 0);
	expect_words(text, words);
	free(text);
	thaw_model_destroy(m);
}

/* Networks that differ in layers without weights, or in strides: built by their names, else refused. */
static void test_lookalikes(void **state)
{
	struct fixture *f = *state;
	static const char *const built[][2] = {
		{"{\"architecture\": \"resnet18.tv_in1k\"}", "\"antialias\": \"none\""},
		{"{\"architecture\": \"resnetblur18\"}", "\"antialias\": \"blur\""},
		{"{\"architecture\": \"resnetaa50d.a1\"}", "\"antialias\": \"average\""},
		{"{\"model_type\": \"resnet\", \"downsample_in_bottleneck\": true}", "\"stride_first\": true"},
		{"{\"model_type\": \"resnet\", \"downsample_in_first_stage\": true}", "\"stride_from_start\": true"},
		{"{\"model_type\": \"resnet\", \"hidden_act\": \"gelu\"}", "\"function\": \"gelu\""},
	};
	static const char *const refused[][2] = {
		{"{\"model_type\": \"resnet\", \"hidden_act\": \"snake\"}", "\"hidden_act\" is snake"},
		{"{\"model_type\": \"resnet\", \"hidden_act\": 1}", "\"hidden_act\""},
		{"{\"architecture\": \"resnet18\", \"model_args\": {\"act_layer\": \"silu\"}}",
		 "\"act_layer\" is silu"},
		{"{\"architecture\": \"resnet18\", \"global_pool\": \"max\"}", "\"global_pool\" is max"},
	};
	struct thaw_weights whole = {0}, prefixed = {0};
	uint64_t digest;
	read_network(&whole, &digest, "resnet18", scratch_file(f->folder, "hub.safetensors"));
	const char *blur = scratch_file(f->folder, "resnetblur18-84f4748f.safetensors");
	write_set(&whole, blur);
	expect_refusal(blur, NULL, THAW_CONFIG, "give --model resnetblur:FILE if it is one, else --model resnet:FILE");
	char *named = thaw_format("resnetblur:%s", blur);
	expect_options(named, "\"antialias\": \"blur\"");
	add_copies(&prefixed, &whole, "encoder.");
	write_set(&prefixed, blur);
	free_copies(&prefixed);
	expect_options(named, "\"antialias\": \"blur\"");
	thaw_free(named);
	char *path = thaw_strdup(scratch_file(f->folder, "model.safetensors"));
	write_set(&whole, path);
	for (size_t i = 0; i < sizeof(built) / sizeof(*built); i++) {
		put_text(f, "config.json", built[i][0]);
		expect_model(path, NULL, digest, NULL);
		expect_options(path, built[i][1]);
	}
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		put_text(f, "config.json", refused[i][0]);
		expect_refusal(path, NULL, THAW_CONFIG, refused[i][1]);
		expect_words(thaw_error_message(), "torch.onnx.export");
	}
	thaw_free(path);
	thaw_weights_free(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_shards),       TEST(test_shards_metadata), TEST(test_folders),
		TEST(test_transformers), TEST(test_lookalikes),
	};
	return cmocka_run_group_tests_name("hub_weights", tests, NULL, NULL);
}
