/* The weights of a small network, to be written in some way and read again. */
#ifndef THAW_TESTS_UNIT_WEIGHTS_FIXTURE_H
#define THAW_TESTS_UNIT_WEIGHTS_FIXTURE_H

#include "tests/scratch.h"

#include "src/model/model_internal.h"
#include "thaw/memory.h"

#define NETWORK "cifar_resnet8"

struct fixture {
	struct scratch *folder;
	struct thaw_weights w; /* of NETWORK, without metadata */
	uint64_t digest;
};

static inline void expect(thaw_status status)
{
	if (status != THAW_OK)
		fail_msg("%s", thaw_error_message());
}

static inline void expect_words(const char *text, const char *words)
{
	if (!text || !strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text ? text : "nothing", words);
}

/* Reads the weights of a network with random values. */
static inline void read_network(struct thaw_weights *w, uint64_t *digest, const char *network, const char *path)
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

static inline int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *folder = NULL;
	assert_int_equal(scratch_make(&folder), 0);
	f->folder = folder;
	read_network(&f->w, &f->digest, NETWORK, scratch_file(f->folder, "whole.safetensors"));
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *f = *state;
	void *folder = f->folder;
	thaw_weights_free(&f->w);
	free(f);
	return scratch_remove(&folder);
}

static inline void write_set(const struct thaw_weights *w, const char *path)
{
	struct thaw_file_writer *file = NULL;
	expect(thaw_file_writer_open(&file, path));
	expect(thaw_safetensors_write(w, thaw_file_writer_sink(file)));
	expect(thaw_file_writer_commit(file));
}

/* Copies of the tensors with a prefix, appended to the set `to`; names are from malloc. */
static inline void add_copies(struct thaw_weights *to, const struct thaw_weights *w, const char *prefix)
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
static inline void add_tensor(struct thaw_weights *to, const char *name, struct thaw_shape shape)
{
	static const float zeros[4096];
	to->tensors = realloc(to->tensors, (size_t)(to->count + 1) * sizeof(*to->tensors));
	struct thaw_named_tensor *t = &to->tensors[to->count++];
	*t = (struct thaw_named_tensor){.name = strdup(name), .dtype = THAW_F32, .shape = shape, .data = zeros};
}

static inline void free_copies(struct thaw_weights *w)
{
	for (int i = 0; i < w->count; i++)
		free(w->tensors[i].name);
	free(w->tensors);
	*w = (struct thaw_weights){0};
}

static inline struct thaw_named_tensor *find(struct thaw_weights *w, const char *name)
{
	for (int i = 0; i < w->count; i++)
		if (strcmp(w->tensors[i].name, name) == 0)
			return &w->tensors[i];
	fail_msg("no tensor %s", name);
	return NULL;
}

/* The file has the weights with this digest; the note has these words (NULL: there is no note). */
static inline void expect_model(const char *path, const char *key, uint64_t digest, const char *words)
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

static inline void expect_refusal(const char *path, const char *key, thaw_status wanted, const char *words)
{
	struct thaw_model *m = NULL;
	if (thaw_model_load_key(&m, path, key, 0, 0) != wanted)
		fail_msg("%s", thaw_error_message());
	assert_null(m);
	expect_words(thaw_error_message(), words);
	assert_null(strchr(thaw_error_message(), '\n'));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
