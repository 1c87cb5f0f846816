/* The predicted time of a step: values worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/train/scaling.h"

#define NEAR 1e-9

/* cmocka 1.1.5 has assert_float_equal only. */
static void assert_near(double value, double wanted, double error)
{
	if (!(fabs(value - wanted) <= error))
		fail_msg("%.9g, wanted %.9g", value, wanted);
}

/* Two buckets of 1000 bytes, the first of them short: 500. */
static const double ready[] = {3.0, 4.0};
static const struct thaw_local_step step = {
	.compute = 4.0, .update = 0.8, .ready = ready, .buckets = 2, .bytes = 1500, .bucket_bytes = 1000};

static void bytes_and_messages(void **state)
{
	(void)state;
	assert_near(thaw_scaling_volume(1, 8), 0.0, 0.0);
	assert_near(thaw_scaling_volume(2, 2), 1.0, NEAR);
	assert_near(thaw_scaling_volume(2, 4), 1.25, NEAR);
	assert_near(thaw_scaling_volume(4, 4), 1.5, NEAR);
	assert_near(thaw_scaling_messages(1, 8), 0.0, 0.0);
	assert_near(thaw_scaling_messages(2, 2), 2.0, 0.0); /* an all-to-all, one step of the ring */
	assert_near(thaw_scaling_messages(2, 4), 5.0, 0.0); /* two all-to-alls, three steps */
}

static void a_fit_returns_what_was_measured(void **state)
{
	(void)state;
	/* 5 messages of 2 ms, and 1.25 * 8000 bytes at 500 bytes per second. */
	struct thaw_network network = thaw_scaling_fit(2, 4, 0.01, 20.01, 8000);
	assert_near(network.latency, 0.002, NEAR);
	assert_near(network.bandwidth, 500.0, 1e-6);
}

static void a_step_waits_for_its_last_bucket(void **state)
{
	(void)state;
	struct thaw_network fast = {0.0, 1e12}, slow = {0.1, 500.0};
	/* One node sends nothing; each rank updates its shard. */
	assert_near(thaw_scaling_step(&slow, &step, 1, 2), 4.4, NEAR);
	assert_near(thaw_scaling_step(&fast, &step, 2, 2), 4.4, 1e-6);
	/* Bucket 0 from 3 to 4 s, bucket 1 from 4 to 6 s, two messages, the update. */
	assert_near(thaw_scaling_step(&slow, &step, 2, 2), 6.6, NEAR);
	/* Two nodes of two ranks: 1.25 as many bytes: from 3 to 4.25 s and to 6.75 s; five messages. */
	assert_near(thaw_scaling_step(&slow, &step, 2, 4), 6.75 + 0.5 + 0.2, NEAR);
}

/* The exchange takes 0.5 s of the processor on two nodes, 0.75 s on four: everything of the pass ends later. */
static void the_exchange_takes_processor_time(void **state)
{
	(void)state;
	struct thaw_network fast = {0.0, 1e12}, slow = {0.0, 500.0};
	struct thaw_local_step busy = step;
	busy.exchange = 0.5;
	assert_near(thaw_scaling_step(&fast, &busy, 1, 2), 4.4, 1e-6);
	assert_near(thaw_scaling_step(&fast, &busy, 2, 2), 4.9, 1e-6);
	assert_near(thaw_scaling_step(&fast, &busy, 4, 4), 4.95, 1e-6);
	/* Bucket 0 from 3.375 to 4.375 s, bucket 1 from 4.5 to 6.5 s. */
	assert_near(thaw_scaling_step(&slow, &busy, 2, 2), 6.9, NEAR);
}

/* Where messages are many and small, 16 buckets share their latency. */
static void latency_limits_many_ranks(void **state)
{
	(void)state;
	struct thaw_network network = {0.016, 1e12};
	/* 1024 messages take 16.384 s. A bucket takes a sixteenth of that: bucket 0 ends at 4.024 s, bucket 1 at 5.048
	 * s. */
	assert_near(thaw_scaling_step(&network, &step, 1024, 1024), 5.048 + 16.384 + 0.8 / 1024, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_and_messages),
		cmocka_unit_test(a_fit_returns_what_was_measured),
		cmocka_unit_test(a_step_waits_for_its_last_bucket),
		cmocka_unit_test(the_exchange_takes_processor_time),
		cmocka_unit_test(latency_limits_many_ranks),
	};
	return cmocka_run_group_tests_name("scaling", tests, NULL, NULL);
}
