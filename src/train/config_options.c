/* The settings of a run as config.json records them: the reverse of run_config_json. */
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/run.h"
#include "src/train/verify.h"

enum type { INT, LONG, REAL };

static const struct {
	const char *key;
	enum type type;
	size_t offset;
	bool later; /* earlier versions do not record it */
} numbers[] = {
	{"epochs", INT, offsetof(struct thaw_train_options, epochs), false},
	{"head-epochs", INT, offsetof(struct thaw_train_options, head_epochs), false},
	{"lanes", INT, offsetof(struct thaw_train_options, lanes), false},
	{"batch", INT, offsetof(struct thaw_train_options, batch), false},
	{"fixres", INT, offsetof(struct thaw_train_options, fixres), true},
	{"folds", INT, offsetof(struct thaw_train_options, parts.folds), true},
	{"fold", INT, offsetof(struct thaw_train_options, parts.fold), true},
	{"seed", LONG, offsetof(struct thaw_train_options, seed), false},
	{"lr", REAL, offsetof(struct thaw_train_options, lr), false},
	{"head-lr", REAL, offsetof(struct thaw_train_options, head_lr), false},
	{"layer-decay", REAL, offsetof(struct thaw_train_options, layer_decay), false},
	{"momentum", REAL, offsetof(struct thaw_train_options, momentum), false},
	{"weight-decay", REAL, offsetof(struct thaw_train_options, weight_decay), false},
	{"warmup", REAL, offsetof(struct thaw_train_options, warmup), false},
	{"label-smoothing", REAL, offsetof(struct thaw_train_options, label_smoothing), false},
	{"dropout", REAL, offsetof(struct thaw_train_options, dropout), false},
	{"scale-min", REAL, offsetof(struct thaw_train_options, scale_min), false},
	{"flip", REAL, offsetof(struct thaw_train_options, flip), false},
	{"jitter", REAL, offsetof(struct thaw_train_options, jitter), false},
	{"pad-crop", INT, offsetof(struct thaw_train_options, pad_crop), false},
	{"test-share", REAL, offsetof(struct thaw_train_options, test_share), false},
	{"per-class", LONG, offsetof(struct thaw_train_options, per_class), false},
	{"views", INT, offsetof(struct thaw_train_options, views), false},
};

static thaw_status missing(const char *key)
{
	return thaw_fail(THAW_DATA, "config.json has no usable \"%s\": restore it from a copy", key);
}

static thaw_status read_number(struct thaw_train_options *o, const json_t *value, size_t i)
{
	char *member = (char *)o + numbers[i].offset;
	bool whole = numbers[i].type != REAL;
	if (whole ? !json_is_integer(value) : !json_is_number(value))
		return missing(numbers[i].key);
	json_int_t n = json_integer_value(value);
	if (numbers[i].type == INT && (n < 0 || n > INT_MAX))
		return missing(numbers[i].key);
	if (numbers[i].type == INT)
		*(int *)member = (int)n;
	else if (numbers[i].type == LONG)
		*(long long *)member = (long long)n;
	else
		*(double *)member = json_number_value(value);
	return THAW_OK;
}

/* *word: the text of a key. */
static thaw_status read_word(const char **word, const json_t *config, const char *key)
{
	*word = json_string_value(json_object_get(config, key));
	return *word ? THAW_OK : missing(key);
}

/* A setting that is not repeated would give other bits. */
static thaw_status check_known(const json_t *config)
{
	static const char *const others[] = {"unfreeze", "optimizer",  "bn",         "cache-dtype", "precision",
					     "variant",  "preprocess", "blas",       "threads",     "data",
					     "build",    "network",    "images",     "checksum",    "size",
					     "columns",  "manifest",   "task",       "group-by",    "class-weights",
					     "loss",     "sampling",   "fully-conv", "exclude",     "tune"};
	const char *key;
	json_t *value;
	json_object_foreach((json_t *)config, key, value)
	{
		bool known = false;
		for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
			known |= strcmp(key, numbers[i].key) == 0;
		for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
			known |= strcmp(key, others[i]) == 0;
		if (!known)
			return thaw_fail(
				THAW_CONFIG,
				"the run has a setting that this version cannot repeat: \"%s\" in config.json: "
				"use the version of thaw that wrote it",
				key);
	}
	return THAW_OK;
}

/* "224", "224x288", "160-288", "128:224", or "native, 64 to 448 in steps of 32". Earlier versions have a number. */
static thaw_status read_size(struct thaw_train_options *o, json_t *config)
{
	json_t *size = json_object_get(config, "size");
	if (json_is_integer(size)) {
		json_t *text = json_sprintf("%lld", (long long)json_integer_value(size));
		if (json_object_set_new(config, "size", text) != 0)
			return thaw_fail(THAW_RESOURCE, "out of memory for the configuration");
	}
	THAW_TRY(read_word(&o->size, config, "size"));
	if (sscanf(o->size, "native, %*d to %d", &o->max_size) == 1)
		o->size = "native";
	return THAW_OK;
}

/* Of balanced weights the word, else the numbers, one per class. */
static thaw_status read_class_weights(struct thaw_train_options *o, json_t *config)
{
	json_t *weights = json_object_get(config, "class-weights"), *weight;
	size_t i;
	if (json_is_array(weights)) {
		json_t *text = json_string("");
		json_array_foreach(weights, i, weight)
		{
			json_t *longer = json_sprintf("%s%s%.17g", json_string_value(text), i > 0 ? "," : "",
						      json_number_value(weight));
			json_decref(text);
			text = longer;
		}
		if (json_object_set_new(config, "class-weights", text) != 0)
			return thaw_fail(THAW_RESOURCE, "out of memory for the configuration");
	}
	o->class_weights = json_string_value(json_object_get(config, "class-weights"));
	return THAW_OK;
}

/* What earlier versions do not record is as they had it. */
static void read_later_settings(struct thaw_train_options *o, const json_t *config)
{
	struct thaw_run_record record = {.found = false};
	const char *loss = json_string_value(json_object_get(config, "loss"));
	const char *sampling = json_string_value(json_object_get(config, "sampling"));
	const char *tune = json_string_value(json_object_get(config, "tune"));
	run_data_read(&record, config);
	o->manifest = record.options.manifest;
	o->parts = record.options.parts;
	o->fully_conv = json_is_true(json_object_get(config, "fully-conv"));
	o->loss = loss ? loss : o->loss;
	o->sampling = sampling ? sampling : o->sampling;
	o->tune = tune ? tune : o->tune;
}

thaw_status run_config_options(struct thaw_train_options *o, json_t *config)
{
	const char *bn, *dtype, *precision = json_string_value(json_object_get(config, "precision"));
	THAW_TRY(check_known(config));
	thaw_train_defaults(o);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (json_object_get(config, numbers[i].key) || !numbers[i].later)
			THAW_TRY(read_number(o, json_object_get(config, numbers[i].key), i));
	THAW_TRY(read_word(&o->unfreeze, config, "unfreeze"));
	THAW_TRY(read_word(&o->optimizer, config, "optimizer"));
	THAW_TRY(read_word(&bn, config, "bn"));
	THAW_TRY(read_word(&dtype, config, "cache-dtype"));
	if (!thaw_optimizer_find(o->optimizer))
		return missing("optimizer");
	THAW_TRY(read_size(o, config));
	THAW_TRY(read_class_weights(o, config));
	read_later_settings(o, config);
	o->bn = strcmp(bn, "lane") == 0 ? THAW_BN_LANE : THAW_BN_FROZEN;
	o->cache_dtype = strcmp(dtype, "f16") == 0 ? THAW_F16 : THAW_F32;
	o->precision = precision ? thaw_precision_find(precision) : THAW_PRECISION_FP32;
	return THAW_OK;
}
