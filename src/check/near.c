#include "src/check/near.h"

#include "src/base/minmax.h"
#include "src/base/try.h"
#include "src/check/image_pass.h"
#include "thaw/memory.h"

#define PART 65536 /* images whose thumbnails, of 2.6 KB, are in memory at once */

/* The work of rank 0. */
struct verification {
	const struct thaw_hash_pairs *candidates;
	struct thaw_copies near;
	int64_t begin, end; /* candidates of this part */
	int64_t *sample;    /* [samples] images of this part */
	int64_t samples;
	int32_t *slot; /* [images of the dataset] position in `sample`, plus 1; 0: not in it */
};

static thaw_status make_thumbnail(const struct thaw_dataset *d, int64_t sample, void *record)
{
	struct thaw_thumbnail *t = record;
	struct thaw_encoded_image encoded;
	thaw_status status = d->read(d, sample, &encoded);
	if (status == THAW_OK) {
		status = thaw_encoded_image_decode(&encoded);
		if (status == THAW_OK)
			status = thaw_thumbnail_make(t, &encoded.image);
		thaw_encoded_image_free(&encoded);
	}
	return status == THAW_DATA || status == THAW_IO ? THAW_OK : status;
}

static void take(struct verification *v, int64_t image)
{
	if (v->slot[image] != 0)
		return;
	v->sample[v->samples++] = image;
	v->slot[image] = (int32_t)v->samples;
}

/* Chooses the candidates of the next part and their images. */
static void choose_part(struct verification *v)
{
	for (int64_t i = 0; i < v->samples; i++)
		v->slot[v->sample[i]] = 0;
	v->samples = 0;
	v->begin = v->end;
	for (; v->end < v->candidates->count && v->samples < PART; v->end++) {
		take(v, v->candidates->pair[v->end].whole);
		take(v, v->candidates->pair[v->end].part);
	}
}

static thaw_status compare_part(struct verification *v, const struct thaw_thumbnail *thumbnails)
{
	for (int64_t i = v->begin; i < v->end; i++) {
		const struct thaw_hash_pair *p = &v->candidates->pair[i];
		const struct thaw_thumbnail *whole = &thumbnails[v->slot[p->whole] - 1];
		const struct thaw_thumbnail *part = &thumbnails[v->slot[p->part] - 1];
		if (!whole->made || !part->made)
			continue;
		struct thaw_likeness l = thaw_thumbnails_compare(whole, thaw_hash_view(p->view), part);
		if (thaw_likeness_is_near(&l))
			THAW_TRY(thaw_copies_add(&v->near, p->whole, p->part, min_float(l.light, 1)));
	}
	return THAW_OK;
}

/* All ranks read the images of one part. *more: there was one. */
static thaw_status run_part(struct verification *v, struct thaw_comm *comm, struct thaw_image_pass *pass, bool *more)
{
	void *thumbnails = NULL;
	if (comm->rank == 0)
		choose_part(v);
	THAW_TRY(comm->broadcast(comm, &v->samples, sizeof(v->samples), 0));
	*more = v->samples > 0;
	if (!*more)
		return THAW_OK;
	THAW_TRY(comm->broadcast(comm, v->sample, (size_t)v->samples * sizeof(*v->sample), 0));
	pass->samples = v->sample;
	pass->count = v->samples;
	THAW_TRY(thaw_image_pass_run(comm, pass, &thumbnails));
	thaw_status status = comm->rank == 0 ? compare_part(v, thumbnails) : THAW_OK;
	thaw_free(thumbnails);
	return thaw_comm_agree(comm, status);
}

thaw_status thaw_near_find(struct thaw_copies *near, struct thaw_comm *comm, const struct thaw_dataset *dataset,
			   const struct thaw_hash_pairs *candidates, int threads,
			   const struct thaw_callbacks *callbacks)
{
	struct thaw_image_pass pass = {.dataset = dataset,
				       .threads = threads,
				       .work = make_thumbnail,
				       .record_size = sizeof(struct thaw_thumbnail),
				       .callbacks = callbacks,
				       .what = "images compared"};
	struct verification v = {.candidates = candidates};
	bool more = true;
	v.sample = thaw_alloc(PART + 2, sizeof(*v.sample));
	if (comm->rank == 0)
		v.slot = thaw_alloc((size_t)dataset->count, sizeof(*v.slot));
	thaw_status status = v.sample && (comm->rank != 0 || v.slot) ? THAW_OK : THAW_RESOURCE;
	status = thaw_comm_agree(comm, status);
	while (status == THAW_OK && more)
		status = run_part(&v, comm, &pass, &more);
	thaw_free(v.sample);
	thaw_free(v.slot);
	if (status == THAW_OK)
		*near = v.near;
	else
		thaw_copies_release(&v.near);
	return status;
}
