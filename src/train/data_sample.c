/* Compares a sample of the images by content, across ranks and with the start of the run: names and labels may be equal
 * where the files are not, as with another mount, an unfinished copy, or pictures that were replaced.
 *
 * All images of a small split are in the sample; of a larger one, one replaced image in a thousand is noticed with a
 * probability of 6 %. Images that cannot be read are left out, and damaged ones when a run continues. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/train/run.h"

#define SAMPLES   64   /* images of each split; each costs a rank three reads of 4 KiB */
#define NAME_SIZE 1024 /* bytes of a name in the message */
#define HEX       16   /* base */

struct sample {
	int count;
	uint64_t digest[SAMPLES]; /* 0: the image cannot be read */
};

static struct sample take_sample(const struct thaw_dataset *d)
{
	struct sample s = {.count = (int)min_int64(d->count, SAMPLES)};
	for (int i = 0; i < s.count; i++)
		s.digest[i] = thaw_dataset_fingerprint(d, d->count * i / s.count, false).blocks;
	return s;
}

/* The name of image i of the sample. */
static const char *name_image(const struct thaw_dataset *d, const struct sample *s, int i, char name[NAME_SIZE])
{
	d->name(d, d->count * i / s->count, name, NAME_SIZE);
	return name;
}

thaw_status run_compare_images(struct run *r, const struct thaw_dataset *dataset)
{
	struct thaw_comm_difference d;
	char name[NAME_SIZE];
	if (dataset->count == 0 || r->comm->size == 1)
		return THAW_OK;
	struct sample s = take_sample(dataset);
	THAW_TRY(thaw_comm_compare(r->comm, s.digest, s.count, &d));
	if (d.item < 0)
		return THAW_OK;
	return thaw_fail(THAW_CONFIG,
			 "an image differs between ranks: %s: rank %d on %s has other bytes than rank %d on %s: give "
			 "every rank the same --data",
			 name_image(dataset, &s, d.item, name), d.rank, d.host, d.other, d.other_host);
}

static json_t *digests_json(const struct thaw_dataset *d)
{
	struct sample s = d->count > 0 ? take_sample(d) : (struct sample){.count = 0};
	json_t *list = json_array();
	int failed = !list;
	for (int i = 0; i < s.count && !failed; i++)
		failed = json_array_append_new(list, json_sprintf("%016" PRIx64, s.digest[i]));
	if (!failed)
		return list;
	json_decref(list);
	return NULL;
}

json_t *run_image_sample(const struct run *r)
{
	return json_pack("[o, o, o]", digests_json(&r->train), digests_json(&r->test), digests_json(&r->final_test));
}

/* A damaged image is skipped during training; it is not another picture. */
static bool is_damaged(const struct thaw_dataset *d, int64_t i)
{
	struct thaw_encoded_image encoded = {0};
	struct thaw_image image = {0};
	thaw_status status = d->read(d, i, &encoded);
	if (status == THAW_OK && !encoded.image.pixels)
		status = thaw_image_decode(&image, encoded.bytes, encoded.size, encoded.name);
	thaw_image_free(&image);
	thaw_encoded_image_free(&encoded);
	return status == THAW_DATA || status == THAW_IO;
}

static thaw_status compare_split(const struct run *r, const struct thaw_dataset *d, const json_t *recorded)
{
	char name[NAME_SIZE];
	struct sample s = d->count > 0 ? take_sample(d) : (struct sample){.count = 0};
	if (json_array_size(recorded) != (size_t)s.count)
		return THAW_OK; /* recorded by another version */
	for (int i = 0; i < s.count; i++) {
		const char *hex = json_string_value(json_array_get(recorded, (size_t)i));
		uint64_t then = hex ? strtoull(hex, NULL, HEX) : 0;
		if (then == 0 || s.digest[i] == 0 || then == s.digest[i])
			continue;
		if (!is_damaged(d, d->count * i / s.count))
			return thaw_fail(THAW_CONFIG,
					 "an image has changed since the run began: %s: restore it, or give --out "
					 "another folder than %s",
					 name_image(d, &s, i, name), r->options.out);
	}
	return THAW_OK;
}

thaw_status run_compare_recorded_images(const struct run *r, const json_t *recorded)
{
	const struct thaw_dataset *splits[] = {&r->train, &r->test, &r->final_test};
	for (size_t i = 0; i < sizeof(splits) / sizeof(*splits); i++)
		THAW_TRY(compare_split(r, splits[i], json_array_get(recorded, i)));
	return THAW_OK;
}
