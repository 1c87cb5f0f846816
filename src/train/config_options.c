/* The settings of a run as config.json records them: the reverse of run_config_json. */
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "src/base/try.h"
#include "src/train/verify.h"

enum type { INT, LONG, REAL };

static const struct {
	const char *key;
	enum type type;
	size_t offset;
} numbers[] = {
	{"epochs", INT, offsetof(struct thaw_train_options, epochs)},
	{"head-epochs", INT, offsetof(struct thaw_train_options, head_epochs)},
	{"lanes", INT, offsetof(struct thaw_train_options, lanes)},
	{"batch", INT, offsetof(struct thaw_train_options, batch)},
	{"size", INT, offsetof(struct thaw_train_options, size)},
	{"seed", LONG, offsetof(struct thaw_train_options, seed)},
	{"lr", REAL, offsetof(struct thaw_train_options, lr)},
	{"head-lr", REAL, offsetof(struct thaw_train_options, head_lr)},
	{"layer-decay", REAL, offsetof(struct thaw_train_options, layer_decay)},
	{"momentum", REAL, offsetof(struct thaw_train_options, momentum)},
	{"weight-decay", REAL, offsetof(struct thaw_train_options, weight_decay)},
	{"warmup", REAL, offsetof(struct thaw_train_options, warmup)},
	{"label-smoothing", REAL, offsetof(struct thaw_train_options, label_smoothing)},
	{"dropout", REAL, offsetof(struct thaw_train_options, dropout)},
	{"scale-min", REAL, offsetof(struct thaw_train_options, scale_min)},
	{"flip", REAL, offsetof(struct thaw_train_options, flip)},
	{"jitter", REAL, offsetof(struct thaw_train_options, jitter)},
	{"pad-crop", INT, offsetof(struct thaw_train_options, pad_crop)},
	{"test-share", REAL, offsetof(struct thaw_train_options, test_share)},
	{"per-class", LONG, offsetof(struct thaw_train_options, per_class)},
	{"views", INT, offsetof(struct thaw_train_options, views)},
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
	static const char *const others[] = {"unfreeze", "optimizer",  "bn",     "cache-dtype", "precision",
					     "variant",  "preprocess", "blas",   "threads",     "data",
					     "build",    "network",    "images", "checksum"};
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

thaw_status run_config_options(struct thaw_train_options *o, const json_t *config)
{
	const char *bn, *dtype, *precision = json_string_value(json_object_get(config, "precision"));
	THAW_TRY(check_known(config));
	thaw_train_defaults(o);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		THAW_TRY(read_number(o, json_object_get(config, numbers[i].key), i));
	THAW_TRY(read_word(&o->unfreeze, config, "unfreeze"));
	THAW_TRY(read_word(&o->optimizer, config, "optimizer"));
	THAW_TRY(read_word(&bn, config, "bn"));
	THAW_TRY(read_word(&dtype, config, "cache-dtype"));
	if (!thaw_optimizer_find(o->optimizer))
		return missing("optimizer");
	o->bn = strcmp(bn, "lane") == 0 ? THAW_BN_LANE : THAW_BN_FROZEN;
	o->cache_dtype = strcmp(dtype, "f16") == 0 ? THAW_F16 : THAW_F32;
	o->precision = precision ? thaw_precision_find(precision) : THAW_PRECISION_FP32;
	return THAW_OK;
}
