/* Fuzzes the reading of a folder of the Hub: the input is config.json and, as a JSON object, the shape of each tensor
 * of model.safetensors (fuzz_split), whose values are 0. What is read can be written as such a folder, or is refused
 * with a message. */
#include "src/model/hub_config.h"
#include "tests/fuzz/fuzz.h"
#include "thaw/memory.h"

#define MOST_VALUES  ((int64_t)1 << 20) /* of all tensors */
#define MOST_TENSORS 4096

/* False if the shapes are not valid, or too large for a fuzzer. */
static bool read_shape(struct thaw_shape *shape, const json_t *list, int64_t *values)
{
	int64_t count = 1;
	shape->ndim = (int)json_array_size(list);
	if (!json_is_array(list) || json_array_size(list) > THAW_MAX_DIMS)
		return false;
	for (int i = 0; i < shape->ndim; i++) {
		shape->dim[i] = json_integer_value(json_array_get(list, (size_t)i));
		if (shape->dim[i] < 0 || shape->dim[i] > MOST_VALUES)
			return false;
		count *= shape->dim[i];
		if (count > MOST_VALUES)
			return false;
	}
	*values += count;
	return *values <= MOST_VALUES;
}

static void write_weights(const struct thaw_weights *w)
{
	struct thaw_file_writer *file;
	if (thaw_file_writer_open(&file, fuzz_path("model.safetensors")) != THAW_OK)
		abort();
	if (thaw_safetensors_write(w, thaw_file_writer_sink(file)) != THAW_OK)
		thaw_file_writer_discard(file);
	else if (thaw_file_writer_commit(file) != THAW_OK)
		abort();
}

/* False if there is nothing to read. */
static bool put_weights(const struct fuzz_part *part)
{
	static struct thaw_named_tensor tensors[MOST_TENSORS];
	static const float zeros[MOST_VALUES];
	struct thaw_weights w = {.tensors = tensors};
	int64_t values = 0;
	const char *name;
	json_t *list, *shapes = json_loadb((const char *)part->bytes, part->size, 0, NULL);
	bool good = json_is_object(shapes) && json_object_size(shapes) <= MOST_TENSORS;
	json_object_foreach(shapes, name, list)
	{
		struct thaw_shape shape = {.ndim = 0};
		good = good && read_shape(&shape, list, &values);
		if (good)
			tensors[w.count++] = (struct thaw_named_tensor){(char *)name, THAW_F32, shape, zeros};
	}
	if (good)
		write_weights(&w);
	json_decref(shapes);
	return good;
}

static void describe(const struct thaw_model *m)
{
	struct thaw_hub_config config;
	if (thaw_hub_config_make(&config, m, false) != THAW_OK)
		fuzz_expect_message();
	thaw_hub_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"config.json", "model.safetensors"};
	struct fuzz_part parts[2] = {0};
	struct thaw_model *m = NULL;
	if (fuzz_split(parts, 2, bytes, size) < 2 || !put_weights(&parts[1]))
		return 0;
	fuzz_put(names[0], parts[0].bytes, parts[0].size);
	if (thaw_model_load(&m, fuzz_folder(), 0, 0) == THAW_OK)
		describe(m);
	else
		fuzz_expect_message();
	thaw_model_destroy(m);
	fuzz_clear(names, 2);
	return 0;
}
