/* Executors and inputs for tests. */
#ifndef THAW_TESTS_EXECUTORS_H
#define THAW_TESTS_EXECUTORS_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "thaw/error.h"
#include "thaw/executor.h"
#include "thaw/random.h"

static inline struct thaw_executor *create_executor(const struct thaw_graph *g, struct thaw_shape image,
						    enum thaw_segment segment, bool training)
{
	struct thaw_executor *made = NULL;
	if (thaw_executor_create(&made, g, &image, segment, training) != THAW_OK)
		fail_msg("%s", thaw_error_message());
	return made;
}

/* x[n] becomes normal random numbers. */
static inline void fill_normal(float *x, int64_t n, uint64_t seed)
{
	struct thaw_random random = thaw_random_stream(seed, THAW_STREAM_INIT, 0, 0);
	for (int64_t i = 0; i < n; i++)
		x[i] = thaw_random_normal(&random);
}

#endif
