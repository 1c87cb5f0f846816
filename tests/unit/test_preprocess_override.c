/* Preprocessing that flags change: its values, its sources, and the record of a trained network. */
#include "tests/scratch.h"

#include "tests/unit/comm_threads.h"
#include "thaw/error.h"
#include "thaw/model.h"

#define SQUASH                                                                                                  \
	{                                                                                                       \
		.size = {224, 224}, .resize = 248, .filter = THAW_BICUBIC, .mean = {0, 0, 0}, .std = {1, 1, 1}, \
		.mode = THAW_RESIZE_SQUASH                                                                      \
	}
#define NOTHING                                                                            \
	{                                                                                  \
		.size = {32, 32}, .resize = 32, .std = {1, 1, 1}, .mode = THAW_RESIZE_NONE \
	}

static const struct thaw_preprocess usual = {.size = {224, 224},
					     .resize = 256,
					     .filter = THAW_BILINEAR,
					     .mean = {0.485f, 0.456f, 0.406f},
					     .std = {0.229f, 0.224f, 0.225f},
					     .centre = THAW_CENTRE_DOWN,
					     .channels = THAW_BGR};

static struct thaw_preprocess changed(const struct thaw_preprocess *from, const struct thaw_preprocess_override *o)
{
	struct thaw_preprocess p = *from;
	if (thaw_preprocess_override_apply(&p, o) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return p;
}

static void no_flags_change_nothing(void **state)
{
	(void)state;
	const struct thaw_preprocess_override o = {NULL};
	struct thaw_preprocess p = changed(&usual, &o);
	assert_memory_equal(&p, &usual, sizeof(p));
	assert_false(thaw_preprocess_override_given(&o));
}

/* A flag changes its value, and no other one. */
static void a_flag_changes_its_value(void **state)
{
	(void)state;
	struct thaw_preprocess want = usual,
			       p = changed(&usual, &(struct thaw_preprocess_override){.mean = "0.1,0.2,0.3"});
	memcpy(want.mean, ((float[]){0.1f, 0.2f, 0.3f}), sizeof(want.mean));
	assert_memory_equal(&p, &want, sizeof(p));
	want = usual;
	p = changed(&usual, &(struct thaw_preprocess_override){.std = "0.5"});
	memcpy(want.std, ((float[]){0.5f, 0.5f, 0.5f}), sizeof(want.std));
	assert_memory_equal(&p, &want, sizeof(p));
	want = usual;
	want.filter = THAW_HAMMING;
	p = changed(&usual, &(struct thaw_preprocess_override){.interpolation = "hamming"});
	assert_memory_equal(&p, &want, sizeof(p));
	want = usual;
	want.resize = 224;
	p = changed(&usual, &(struct thaw_preprocess_override){.crop = "none"});
	assert_memory_equal(&p, &want, sizeof(p));
	p = changed(&usual, &(struct thaw_preprocess_override){.mean = "0", .std = "0.00392156863"});
	assert_true(p.mean[1] == 0 && p.std[1] == 0.00392156863f); /* the network takes values 0 to 255 */
}

/* timm.data.transforms_imagenet_eval: floor(size / crop_pct). */
static void the_crop_is_that_of_timm(void **state)
{
	(void)state;
	static const struct {
		const char *crop;
		int size, resize;
	} rows[] = {{"0.875", 224, 256}, {"0.9", 224, 248}, {"0.95", 224, 235}, {"0.96", 256, 266}, {"0.965", 288, 298},
		    {"1", 384, 384},     {"1.0", 224, 224}, {"0.7", 16, 22},    {"none", 99, 99}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct thaw_preprocess from = {
			.size = {rows[i].size, rows[i].size}, .resize = 7, .mode = THAW_RESIZE_SQUASH};
		struct thaw_preprocess p = changed(&from, &(struct thaw_preprocess_override){.crop = rows[i].crop});
		if (p.resize != rows[i].resize || p.mode != THAW_RESIZE_SHORTER || !thaw_size_equal(p.size, from.size))
			fail_msg("--crop %s: %d", rows[i].crop, p.resize);
	}
	struct thaw_preprocess p = changed(&usual, &(struct thaw_preprocess_override){.crop = "squash"});
	assert_true(p.mode == THAW_RESIZE_SQUASH && p.resize == 224);
}

static void invalid_values_are_refused(void **state)
{
	(void)state;
	static const struct {
		struct thaw_preprocess from;
		struct thaw_preprocess_override o;
		const char *message;
	} rows[] = {
		{SQUASH, {.mean = ""}, "not a number: --mean"},
		{SQUASH, {.mean = "0.1;0.2;0.3"}, "not a number: --mean 0.1;0.2;0.3"},
		{SQUASH, {.mean = "0.1,0.2"}, "two numbers"},
		{SQUASH, {.mean = "0.1,0.2,0.3,"}, "more than three"},
		{SQUASH, {.mean = "-0.1"}, "below 0"},
		{SQUASH, {.mean = "0.1,infinity,0.1"}, "not a finite number"},
		{SQUASH, {.mean = "127.5"}, "give --mean 0.5,0.5,0.5, and --std"},
		{SQUASH, {.mean = "256"}, "too large"},
		{SQUASH, {.std = "0"}, "not above 0: --std 0"},
		{SQUASH, {.std = "0.1,0.1,nan"}, "not a finite number"},
		{SQUASH, {.std = "1e-46"}, "not above 0"},
		{SQUASH, {.std = "255"}, "give --std 1,1,1, and --mean"},
		{SQUASH, {.crop = "0"}, "not a crop"},
		{SQUASH, {.crop = "nan"}, "not a crop"},
		{SQUASH, {.crop = "-0.5"}, "not a crop"},
		{SQUASH, {.crop = "0.9x"}, "not a crop"},
		{SQUASH, {.crop = "1.01"}, "above 1"},
		{SQUASH, {.crop = "0.0136"}, "more than 16384 pixels"},
		{SQUASH, {.interpolation = "cubic"}, "nearest, bilinear, bicubic, lanczos, box or hamming"},
		{NOTHING, {.interpolation = "box"}, "give --crop too"},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct thaw_preprocess p = rows[i].from;
		if (thaw_preprocess_override_apply(&p, &rows[i].o) != THAW_USAGE)
			fail_msg("row %zu is not refused", i);
		if (!strstr(thaw_error_message(), rows[i].message))
			fail_msg("row %zu: %s", i, thaw_error_message());
		assert_memory_equal(&p, &rows[i].from, sizeof(p));
	}
	const struct thaw_preprocess nothing = NOTHING;
	struct thaw_preprocess p =
		changed(&nothing, &(struct thaw_preprocess_override){.crop = "1", .interpolation = "box"});
	assert_true(p.mode == THAW_RESIZE_SHORTER && p.filter == THAW_BOX);
}

static const char *source(const struct thaw_model *m)
{
	static char text[THAW_PREPROCESS_SOURCE];
	return thaw_model_preprocess_source(m, text, sizeof(text));
}

static void each_value_has_its_source(void **state)
{
	(void)state;
	struct thaw_model *m = NULL;
	const struct thaw_preprocess_override one = {.std = "0.5"}, all = {"0.5", "0.5", "1", "box"};
	assert_int_equal(thaw_model_load(&m, "cifar_resnet8", 2, 1), THAW_OK);
	assert_string_equal(source(m), "the family");
	m->value_from[THAW_VALUE_MEAN] = m->value_from[THAW_VALUE_STD] = "the network itself";
	assert_string_equal(source(m), "mean, std: the network itself; rest: the family");
	assert_int_equal(thaw_model_set_preprocess(m, thaw_square(0), &one), THAW_OK);
	assert_string_equal(source(m), "mean: the network itself; std: flags; rest: the family");
	assert_string_equal(m->notes, "flags change the values that it is given"); /* after the note of the importer */
	assert_int_equal(thaw_model_set_preprocess(m, thaw_square(16), &all), THAW_OK);
	assert_string_equal(source(m), "size, crop, interpolation, mean, std: flags");
	assert_true(m->preprocess.size.width == 16 && m->preprocess.resize == 16 && m->preprocess.filter == THAW_BOX);
	json_t *o = thaw_model_preprocess_json(m);
	assert_string_equal(json_string_value(json_object_get(json_object_get(o, "sources"), "crop")), "flags");
	json_decref(o);
	char small[12];
	assert_string_equal(thaw_model_preprocess_source(m, small, sizeof(small)), "size, crop,"); /* cut, not beyond */
	thaw_model_destroy(m);
}

/* Both file formats return what the flags said, and flags that differ from it are noted. */
static void files_record_the_values(void **state)
{
	const struct thaw_preprocess_override o = {"0.1,0.2,0.3", "0.4,0.5,0.6", "squash", "lanczos"},
					      other = {.interpolation = "box"};
	for (int onnx = 0; onnx < 2; onnx++) {
		struct thaw_model *m = NULL, *read = NULL;
		const char *path = scratch_file(*state, onnx ? "m.onnx" : "m.safetensors");
		assert_int_equal(thaw_model_load(&m, "cifar_resnet8", 2, 1), THAW_OK);
		assert_int_equal(thaw_model_set_preprocess(m, thaw_square(0), &o), THAW_OK);
		assert_null(m->notes);
		assert_int_equal(onnx ? thaw_model_save_onnx(m, path, false) : thaw_model_save(m, path, false),
				 THAW_OK);
		assert_int_equal(thaw_model_load(&read, path, 0, 0), THAW_OK);
		assert_memory_equal(&read->preprocess, &m->preprocess, sizeof(m->preprocess));
		assert_string_equal(source(read), "the model's metadata");
		const bool noted = read->notes != NULL;
		assert_int_equal(thaw_model_set_preprocess(read, thaw_square(0), &o), THAW_OK);
		assert_int_equal(read->notes != NULL, noted);
		assert_int_equal(thaw_model_set_preprocess(read, thaw_square(0), &other), THAW_OK);
		assert_non_null(
			strstr(read->notes, "change the recorded preprocessing, which is lanczos resize of both"));
		thaw_model_destroy(m);
		thaw_model_destroy(read);
	}
}

struct ranks_test {
	struct thaw_model *model[2];
	thaw_status status[2];
};

static void compare(struct thaw_comm *comm, void *argument)
{
	struct ranks_test *t = argument;
	t->status[comm->rank] = thaw_model_same(comm, t->model[comm->rank]);
}

static void ranks_have_the_same_preprocessing(void **state)
{
	(void)state;
	struct ranks_test t;
	const struct thaw_preprocess_override o = {.std = "0.25"};
	for (int i = 0; i < 2; i++)
		assert_int_equal(thaw_model_load(&t.model[i], "cifar_resnet8", 2, 1), THAW_OK);
	ranks_run(2, compare, &t);
	assert_true(t.status[0] == THAW_OK && t.status[1] == THAW_OK);
	assert_int_equal(thaw_model_set_preprocess(t.model[1], thaw_square(0), &o), THAW_OK);
	ranks_run(2, compare, &t);
	assert_true(t.status[0] == THAW_CONFIG && t.status[1] == THAW_CONFIG);
	for (int i = 0; i < 2; i++)
		thaw_model_destroy(t.model[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_make, scratch_remove)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(no_flags_change_nothing),           TEST(a_flag_changes_its_value),
		TEST(the_crop_is_that_of_timm),          TEST(invalid_values_are_refused),
		TEST(each_value_has_its_source),         TEST(files_record_the_values),
		TEST(ranks_have_the_same_preprocessing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
