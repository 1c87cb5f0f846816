/* Fuzzes manifests: the input is options, one per line ("task=labels"), and a CSV file (fuzz_split). */
#include "tests/fuzz/fuzz.h"
#include "thaw/dataset.h"
#include "thaw/digest.h"

#define MAX_SAMPLES 64
#define OPTIONS     8
#define VALUE_SIZE  64

/* Reads "name=value" lines. */
static void read_options(struct thaw_dataset_options *o, char value[OPTIONS][VALUE_SIZE], const struct fuzz_part *part)
{
	const struct {
		const char *name;
		const char **at;
	} known[OPTIONS] = {{"task", &o->manifest.task},          {"label", &o->manifest.label_column},
			    {"path", &o->manifest.path_column},   {"split", &o->manifest.split_column},
			    {"group", &o->manifest.group_column}, {"separator", &o->manifest.label_separator},
			    {"grades", &o->manifest.grades},      {"group-by", &o->parts.group_by}};
	char text[512];
	snprintf(text, sizeof(text), "%.*s", (int)(part->size < 511 ? part->size : 511), (const char *)part->bytes);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		for (int i = 0; i < OPTIONS; i++) {
			size_t length = strlen(known[i].name);
			if (strncmp(line, known[i].name, length) != 0 || line[length] != '=')
				continue;
			snprintf(value[i], VALUE_SIZE, "%s", line + length + 1);
			*known[i].at = value[i];
		}
	if (strchr(text, '5'))
		o->parts = (struct thaw_parts_options){o->parts.group_by, 5, 2};
}

static void check_samples(const struct thaw_dataset *d)
{
	char name[256];
	struct thaw_encoded_image encoded;
	volatile uint64_t digest = thaw_dataset_digest(d);
	for (int64_t i = 0; i < d->count && i < MAX_SAMPLES; i++) {
		d->name(d, i, name, sizeof(name));
		if (d->labels[i] < 0 || d->labels[i] >= d->classes)
			abort();
		if (d->read(d, i, &encoded) == THAW_OK)
			thaw_encoded_image_free(&encoded);
	}
	if (!d->targets && (d->task == THAW_TASK_LABELS || d->task == THAW_TASK_VALUE))
		abort();
	(void)digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char *const names[] = {"m.csv", "a.png", "b.jpg"};
	struct fuzz_part parts[2] = {0};
	char value[OPTIONS][VALUE_SIZE];
	struct thaw_dataset_options options = {.test_share = 0.2, .seed = 1};
	fuzz_split(parts, 2, bytes, size);
	if (!parts[1].bytes)
		return 0;
	read_options(&options, value, &parts[0]);
	fuzz_put("m.csv", parts[1].bytes, parts[1].size);
	fuzz_put("a.png", "", 0);
	fuzz_put("b.jpg", "", 0);
	for (int split = THAW_SPLIT_TRAIN; split <= THAW_SPLIT_ALL; split++) {
		struct thaw_dataset d = {0};
		if (thaw_dataset_open(&d, fuzz_path("m.csv"), (enum thaw_split)split, &options) != THAW_OK) {
			fuzz_expect_message();
			continue;
		}
		check_samples(&d);
		thaw_dataset_close(&d);
	}
	fuzz_clear(names, 3);
	return 0;
}
