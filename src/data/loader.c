/* The data loader: threads that decode images while the network computes.
 *
 * Requests are queued, oldest first. A thread takes one image at a time from the oldest request with images left, so
 * all threads work on the batch that is needed next. They stop at `ahead` batches beyond the last one taken, which
 * bounds memory. The result for an image depends only on its request and is stored at a fixed position in the batch, so
 * timing cannot change a batch. One mutex guards the queue and all counts; decoding runs without holding it. */
#include "thaw/loader.h"

#include <pthread.h>
#include <string.h>

#include "src/base/clock.h"
#include "src/base/minmax.h"
#include "src/base/thread.h"
#include "src/base/try.h"
#include "thaw/memory.h"

#define STOP_POLL_SECONDS 0.1

/* A request and its batch. The memory is reused for later requests. */
struct job {
	struct thaw_batch batch; /* must be first: thaw_loader_release casts its address */
	struct thaw_batch_request request;
	struct job *next;
	int64_t *samples;    /* [request.count] */
	uint32_t *visits;    /* [request.count] */
	char **damage;       /* [request.count] error message of a damaged image, else NULL */
	int64_t claimed;     /* images taken by threads */
	int64_t finished;    /* images completed, or abandoned after a failure */
	thaw_status status;  /* of the batch as a whole */
	char *message;       /* if status is a failure */
	size_t pixel_room;   /* floats allocated in batch.images */
	int64_t sample_room; /* elements allocated in the other arrays */
};

struct thaw_loader {
	const struct thaw_dataset *dataset;
	struct thaw_preprocess preprocess;
	struct thaw_augment augment;
	int ahead;
	pthread_mutex_t mutex;
	pthread_cond_t work;      /* signals that there may be images to decode */
	pthread_cond_t ready;     /* signals that a batch may be complete */
	struct job *first, *last; /* the queue */
	struct job *in_use;       /* batches taken by the caller */
	struct job *spare;        /* released jobs, at most `ahead` + 1, which is as many as are in use at once */
	int spares;
	bool closing;
	bool (*stop)(void *context); /* of thaw_loader_on_wait */
	void *stop_context;
	int threads;
	pthread_t thread[];
};

static void job_free(struct job *j)
{
	for (int64_t i = 0; j->damage && i < j->sample_room; i++)
		thaw_free(j->damage[i]);
	for (int64_t i = 0; i < j->batch.damaged_count; i++)
		thaw_free(j->batch.damaged_why[i]);
	thaw_free(j->batch.images);
	thaw_free(j->batch.labels);
	thaw_free(j->batch.samples);
	thaw_free(j->batch.keys);
	thaw_free(j->batch.fingerprints);
	thaw_free(j->batch.damaged);
	thaw_free(j->batch.damaged_why);
	thaw_free(j->samples);
	thaw_free(j->visits);
	thaw_free(j->damage);
	thaw_free(j->message);
	thaw_free(j);
}

/* Allocates everything except the images, which job_begin allocates. */
static thaw_status job_reserve(struct job *j, int64_t count)
{
	struct thaw_batch *b = &j->batch;
	if (count <= j->sample_room)
		return THAW_OK;
	thaw_free(j->samples);
	thaw_free(j->visits);
	thaw_free(j->damage);
	thaw_free(b->labels);
	thaw_free(b->samples);
	thaw_free(b->keys);
	thaw_free(b->fingerprints);
	thaw_free(b->damaged);
	thaw_free(b->damaged_why);
	j->sample_room = 0;
	j->samples = thaw_alloc((size_t)count, sizeof(int64_t));
	j->visits = thaw_alloc((size_t)count, sizeof(uint32_t));
	j->damage = thaw_alloc((size_t)count, sizeof(char *));
	b->labels = thaw_alloc((size_t)count, sizeof(int32_t));
	b->samples = thaw_alloc((size_t)count, sizeof(int64_t));
	b->keys = thaw_alloc((size_t)count, sizeof(uint64_t));
	b->fingerprints = thaw_alloc((size_t)count, sizeof(*b->fingerprints));
	b->damaged = thaw_alloc((size_t)count, sizeof(int64_t));
	b->damaged_why = thaw_alloc((size_t)count, sizeof(char *));
	if (!j->samples || !j->visits || !j->damage || !b->labels || !b->samples || !b->keys || !b->fingerprints ||
	    !b->damaged || !b->damaged_why)
		return THAW_RESOURCE;
	j->sample_room = count;
	return THAW_OK;
}

static size_t floats_per_image(const struct job *j)
{
	return thaw_size_floats(j->request.size);
}

/* Allocates the images; called when the first thread starts on the batch. */
static thaw_status job_begin(struct job *j)
{
	size_t each = floats_per_image(j), count = (size_t)j->request.count;
	if (j->pixel_room >= each * count && j->batch.images)
		return THAW_OK;
	thaw_free(j->batch.images);
	j->pixel_room = 0;
	j->batch.images = thaw_alloc(count, each * sizeof(float));
	if (!j->batch.images)
		return THAW_RESOURCE;
	j->pixel_room = each * count;
	return THAW_OK;
}

/* Records the first failure of the batch, with the error message of the calling thread. */
static void job_fail(struct job *j, thaw_status status)
{
	if (j->status != THAW_OK)
		return;
	j->status = status;
	j->message = thaw_strdup(thaw_error_message());
}

/* Loads image i of the batch. */
static thaw_status make_image(const struct thaw_loader *l, const struct job *j, int64_t i)
{
	const struct thaw_batch_request *r = &j->request;
	struct thaw_preprocess p = thaw_preprocess_of_image(&l->preprocess, r->size);
	struct thaw_encoded_image encoded;
	float *out = j->batch.images + (size_t)i * floats_per_image(j);
	uint64_t sample = (uint64_t)j->samples[i], view = thaw_visit(r->view, j->visits[i]);
	THAW_TRY(l->dataset->read(l->dataset, j->samples[i], &encoded));
	thaw_status status =
		r->training ? thaw_transform_train(&encoded, &p, &l->augment,
						   thaw_random_stream(r->seed, THAW_STREAM_AUGMENT, view, sample), out)
			    : thaw_transform_eval(&encoded, &p, out);
	j->batch.fingerprints[i] = encoded.fingerprint;
	thaw_encoded_image_free(&encoded);
	return status;
}

uint64_t thaw_visit(uint64_t epoch, uint32_t visits)
{
	return epoch + ((uint64_t)visits << 48);
}

uint64_t thaw_sample_key(uint64_t seed, uint64_t epoch, int64_t sample)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_DROPOUT, epoch, (uint64_t)sample);
	uint64_t high = thaw_random_u32(&random);
	return high << 32 | thaw_random_u32(&random);
}

/* Removes the gaps of damaged images and fills in labels, samples and keys. */
static void job_complete(const struct thaw_loader *l, struct job *j)
{
	struct thaw_batch *b = &j->batch;
	size_t each = floats_per_image(j);
	for (int64_t i = 0; i < j->request.count; i++) {
		int64_t sample = j->samples[i];
		if (j->damage[i]) {
			b->damaged[b->damaged_count] = sample;
			b->damaged_why[b->damaged_count++] = j->damage[i];
			j->damage[i] = NULL;
			continue;
		}
		if (b->count < i && j->status == THAW_OK)
			memcpy(b->images + (size_t)b->count * each, b->images + (size_t)i * each, each * sizeof(float));
		b->labels[b->count] = l->dataset->labels[sample];
		b->fingerprints[b->count] = b->fingerprints[i];
		b->samples[b->count] = sample;
		b->keys[b->count++] =
			thaw_sample_key(j->request.seed, thaw_visit(j->request.epoch, j->visits[i]), sample);
	}
}

/* The oldest of the first `ahead` jobs with unclaimed images, or NULL. */
static struct job *find_work(const struct thaw_loader *l)
{
	struct job *j = l->first;
	for (int i = 0; i < l->ahead && j; i++, j = j->next)
		if (j->claimed < j->request.count)
			return j;
	return NULL;
}

/* Loads image i with the mutex released. A file that is damaged, or that cannot be read at a second attempt either, is
 * skipped and named. Any other error, such as a lack of memory, is not the image's and fails the batch. */
static void process_image(struct thaw_loader *l, struct job *j, int64_t i)
{
	pthread_mutex_unlock(&l->mutex);
	thaw_status status = make_image(l, j, i);
	char *damage = NULL;
	if (status == THAW_IO)
		status = make_image(l, j, i);
	if (status == THAW_DATA || status == THAW_IO) {
		damage = thaw_strdup(thaw_error_message());
		status = damage ? THAW_OK : THAW_RESOURCE;
	}
	pthread_mutex_lock(&l->mutex);
	j->damage[i] = damage;
	if (status != THAW_OK)
		job_fail(j, status);
}

static void *run_thread(void *argument)
{
	struct thaw_loader *l = argument;
	pthread_mutex_lock(&l->mutex);
	while (!l->closing) {
		struct job *j = find_work(l);
		if (!j) {
			pthread_cond_wait(&l->work, &l->mutex);
			continue;
		}
		int64_t i = j->claimed++;
		thaw_status status = i == 0 ? job_begin(j) : THAW_OK;
		if (status != THAW_OK)
			job_fail(j, status);
		if (j->status == THAW_OK)
			process_image(l, j, i);
		if (++j->finished == j->request.count) {
			job_complete(l, j);
			pthread_cond_broadcast(&l->ready);
		}
	}
	pthread_mutex_unlock(&l->mutex);
	return NULL;
}

static thaw_status start_threads(struct thaw_loader *l, int threads)
{
	int error = 0;
	while (l->threads < threads && error == 0) {
		error = thaw_thread_start(&l->thread[l->threads], run_thread, l);
		l->threads += error == 0;
	}
	if (error != 0)
		return thaw_fail(THAW_RESOURCE, "cannot start a decoding thread: %s: use a smaller --decode-threads",
				 strerror(error));
	return THAW_OK;
}

thaw_status thaw_loader_create(struct thaw_loader **loader, const struct thaw_dataset *dataset,
			       const struct thaw_preprocess *preprocess, const struct thaw_augment *augment,
			       int threads, int ahead)
{
	threads = max_int(threads, 1);
	struct thaw_loader *l = thaw_alloc(1, sizeof(*l) + (size_t)threads * sizeof(pthread_t));
	if (!l)
		return THAW_RESOURCE;
	l->dataset = dataset;
	l->preprocess = *preprocess;
	if (augment)
		l->augment = *augment;
	l->ahead = max_int(ahead, 1);
	pthread_mutex_init(&l->mutex, NULL);
	pthread_cond_init(&l->work, NULL);
	thaw_cond_init(&l->ready);
	thaw_status status = start_threads(l, threads);
	if (status != THAW_OK) {
		thaw_loader_destroy(l);
		return status;
	}
	*loader = l;
	return THAW_OK;
}

/* A spare job, or a new one. */
static struct job *job_acquire(struct thaw_loader *l)
{
	pthread_mutex_lock(&l->mutex);
	struct job *j = l->spare;
	if (j) {
		l->spare = j->next;
		l->spares--;
	}
	pthread_mutex_unlock(&l->mutex);
	return j ? j : thaw_alloc(1, sizeof(*j));
}

static thaw_status check_request(const struct thaw_loader *l, const struct thaw_batch_request *r)
{
	if (r->count < 0 || thaw_size_shorter(r->size) < 1)
		return thaw_fail(THAW_SOFTWARE, "invalid batch request: %lld images of size %d x %d",
				 (long long)r->count, r->size.height, r->size.width);
	for (int64_t i = 0; i < r->count; i++)
		if (r->samples[i] < 0 || r->samples[i] >= l->dataset->count)
			return thaw_fail(THAW_SOFTWARE, "invalid batch request: sample %lld of a dataset of %lld",
					 (long long)r->samples[i], (long long)l->dataset->count);
	return THAW_OK;
}

thaw_status thaw_loader_submit(struct thaw_loader *l, const struct thaw_batch_request *request)
{
	THAW_TRY(check_request(l, request));
	struct job *j = job_acquire(l);
	if (!j)
		return THAW_RESOURCE;
	thaw_status status = job_reserve(j, request->count);
	if (status != THAW_OK) {
		job_free(j);
		return status;
	}
	if (request->count > 0) /* the arrays of an empty batch may be NULL */
		memcpy(j->samples, request->samples, (size_t)request->count * sizeof(int64_t));
	for (int64_t i = 0; i < request->count; i++)
		j->visits[i] = request->visits ? request->visits[i] : 0;
	j->request = *request;
	j->request.samples = j->samples;
	j->request.visits = j->visits;
	j->next = NULL;
	pthread_mutex_lock(&l->mutex);
	if (l->last)
		l->last->next = j;
	else
		l->first = j;
	l->last = j;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->mutex);
	return THAW_OK;
}

void thaw_loader_on_wait(struct thaw_loader *l, bool (*stop)(void *context), void *context)
{
	l->stop = stop;
	l->stop_context = context;
}

/* Waits until a batch may be complete, or it is time to ask whether to stop. The caller holds the mutex. */
static void wait_ready(struct thaw_loader *l)
{
	if (l->stop)
		(void)thaw_cond_wait_until(&l->ready, &l->mutex, thaw_clock() + STOP_POLL_SECONDS);
	else
		pthread_cond_wait(&l->ready, &l->mutex);
}

thaw_status thaw_loader_next(struct thaw_loader *l, struct thaw_batch **batch)
{
	pthread_mutex_lock(&l->mutex);
	struct job *j = l->first;
	if (!j) {
		pthread_mutex_unlock(&l->mutex);
		return thaw_fail(THAW_SOFTWARE, "thaw_loader_next without a submitted request");
	}
	bool stopped = false;
	while (!(stopped = l->stop && l->stop(l->stop_context)) && j->finished < j->request.count)
		wait_ready(l);
	if (stopped) {
		pthread_mutex_unlock(&l->mutex);
		return thaw_fail(THAW_UNFINISHED, "asked to stop while images were loaded");
	}
	l->first = j->next;
	if (!l->first)
		l->last = NULL;
	pthread_cond_broadcast(&l->work);
	if (j->status == THAW_OK) {
		j->next = l->in_use;
		l->in_use = j;
		*batch = &j->batch;
		pthread_mutex_unlock(&l->mutex);
		return THAW_OK;
	}
	pthread_mutex_unlock(&l->mutex);
	thaw_status status =
		thaw_fail(j->status, "%s", j->message ? j->message : "out of memory: error message of a batch");
	job_free(j);
	return status;
}

/* Prepares a job for the next request: zeroes all counts, keeps the memory. */
static void job_reset(struct job *j)
{
	struct thaw_batch *b = &j->batch;
	for (int64_t i = 0; i < b->damaged_count; i++)
		thaw_free(b->damaged_why[i]);
	b->count = b->damaged_count = 0;
	j->claimed = j->finished = 0;
}

void thaw_loader_release(struct thaw_loader *l, struct thaw_batch *batch)
{
	struct job *j = (struct job *)batch;
	pthread_mutex_lock(&l->mutex);
	struct job **at = &l->in_use;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	job_reset(j);
	if (l->spares <= l->ahead) {
		j->next = l->spare;
		l->spare = j;
		l->spares++;
		j = NULL;
	}
	pthread_mutex_unlock(&l->mutex);
	if (j)
		job_free(j);
}

static void jobs_free(struct job *j)
{
	while (j) {
		struct job *next = j->next;
		job_free(j);
		j = next;
	}
}

void thaw_loader_destroy(struct thaw_loader *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->mutex);
	l->closing = true;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->mutex);
	for (int t = 0; t < l->threads; t++)
		pthread_join(l->thread[t], NULL);
	jobs_free(l->first);
	jobs_free(l->in_use);
	jobs_free(l->spare);
	pthread_cond_destroy(&l->ready);
	pthread_cond_destroy(&l->work);
	pthread_mutex_destroy(&l->mutex);
	thaw_free(l);
}
