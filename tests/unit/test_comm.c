/* Agreement of ranks, with threads as ranks; the communicator of a single rank; signals. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "src/cli/signals.h"
#include "tests/unit/comm_threads.h"

#define RANKS 5

/* Rank r fails with status[r]; all must end with `agreed` and `message`. */
struct agree_case {
	thaw_status status[RANKS], agreed;
	const char *message;
	int wrong;
};

static void agree_body(struct thaw_comm *comm, void *argument)
{
	struct agree_case *c = argument;
	if (c->status[comm->rank] != THAW_OK)
		thaw_fail(c->status[comm->rank], "photo-%d.jpg is damaged", comm->rank);
	thaw_status status = thaw_comm_agree(comm, c->status[comm->rank]);
	int wrong = status != c->agreed || (c->message && strcmp(thaw_error_message(), c->message) != 0);
	/* Agreeing again on the result changes nothing. */
	wrong += thaw_comm_agree(comm, status) != c->agreed;
	wrong += c->message && strcmp(thaw_error_message(), c->message) != 0;
	__atomic_fetch_add(&c->wrong, wrong, __ATOMIC_RELAXED);
}

static void a_failure_fails_all_ranks(void **state)
{
	(void)state;
	struct agree_case cases[] = {
		{{0}, THAW_OK, NULL, 0},
		{{0, 0, 0, THAW_DATA, 0}, THAW_DATA, "rank 3: photo-3.jpg is damaged", 0},
		{{0, THAW_DATA, THAW_IO, 0, THAW_IO}, THAW_IO, "rank 2: photo-2.jpg is damaged", 0},
		{{THAW_IO, THAW_IO, THAW_IO, THAW_IO, THAW_IO}, THAW_IO, "photo-0.jpg is damaged", 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ranks_run(RANKS, agree_body, &cases[i]);
		assert_int_equal(cases[i].wrong, 0);
	}
}

struct same_case {
	const char *text[RANKS];
	thaw_status expected;
	const char *message;
	int wrong;
};

static void same_body(struct thaw_comm *comm, void *argument)
{
	struct same_case *c = argument;
	thaw_status status = thaw_comm_same(comm, c->text[comm->rank], "the BLAS kernel", "use like nodes");
	if (status != c->expected || (c->message && strcmp(thaw_error_message(), c->message) != 0))
		__atomic_fetch_add(&c->wrong, 1, __ATOMIC_RELAXED);
}

static void a_different_rank_is_named(void **state)
{
	(void)state;
	struct same_case cases[] = {
		{{"Zen", "Zen", "Zen", "Zen", "Zen"}, THAW_OK, NULL, 0},
		{{"Zen", "Zen", "Haswell", "Haswell", ""},
		 THAW_CONFIG,
		 "the BLAS kernel differs: rank 0 has \"Zen\", rank 2 has \"Haswell\": use like nodes",
		 0},
		{{"Zen", "Zen", "Zen", "Zen", "Zen2"},
		 THAW_CONFIG,
		 "the BLAS kernel differs: rank 0 has \"Zen\", rank 4 has \"Zen2\": use like nodes",
		 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ranks_run(RANKS, same_body, &cases[i]);
		assert_int_equal(cases[i].wrong, 0);
	}
}

#define DIGESTS 3

/* Digests of each rank; all ranks must find the same difference. */
struct compare_case {
	uint64_t digest[RANKS][DIGESTS];
	int item, rank, other;
	int wrong;
};

static void compare_body(struct thaw_comm *comm, void *argument)
{
	struct compare_case *c = argument;
	struct thaw_comm_difference d = {.item = 77};
	char host[THAW_COMM_HOST] = "";
	gethostname(host, sizeof(host) - 1);
	int wrong = thaw_comm_compare(comm, c->digest[comm->rank], DIGESTS, &d) != THAW_OK || d.item != c->item;
	if (c->item >= 0)
		wrong += d.rank != c->rank || d.other != c->other || strcmp(d.host, host) != 0 ||
			 strcmp(d.other_host, host) != 0;
	__atomic_fetch_add(&c->wrong, wrong, __ATOMIC_RELAXED);
}

static void the_rank_that_differs_from_most_is_found(void **state)
{
	(void)state;
	struct compare_case cases[] = {
		{{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 2, 3}}, -1, 0, 0, 0},
		{{{1, 2, 3}, {1, 2, 3}, {1, 2, 3}, {1, 9, 3}, {1, 2, 8}}, 1, 3, 0, 0},
		{{{1, 2, 3}, {1, 2, 4}, {1, 2, 4}, {1, 2, 4}, {1, 2, 5}}, 2, 0, 1, 0},  /* rank 0 itself */
		{{{1, 2, 3}, {1, 0, 3}, {1, 2, 3}, {1, 2, 3}, {0, 2, 3}}, -1, 0, 0, 0}, /* unknown */
		{{{0, 2, 3}, {0, 2, 3}, {1, 2, 3}, {7, 2, 3}, {1, 2, 3}}, 0, 3, 2, 0},
		{{{0, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 0}, {0, 2, 0}}, -1, 0, 0, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ranks_run(RANKS, compare_body, &cases[i]);
		assert_int_equal(cases[i].wrong, 0);
	}
	struct thaw_comm alone = thaw_comm_alone();
	struct thaw_comm_difference d;
	assert_int_equal(thaw_comm_compare(&alone, cases[0].digest[0], DIGESTS, &d), THAW_OK);
	assert_int_equal(d.item, -1);
}

static void alone_is_a_communicator(void **state)
{
	(void)state;
	struct thaw_comm alone = thaw_comm_alone();
	float send[] = {1, 2, 3, 4}, recv[4] = {0};
	int64_t two[] = {2}, one[] = {1}, value = 7;
	int gathered = 0, mine = 5;
	struct thaw_transfer *transfer = NULL;
	assert_int_equal(alone.alltoall_start(&alone, 1, send, two, one, recv, two, two, &transfer), THAW_OK);
	assert_null(transfer);
	assert_true(recv[0] == 0 && recv[1] == 0 && recv[2] == 2 && recv[3] == 3);
	assert_int_equal(alone.gather(&alone, &mine, sizeof(mine), &gathered), THAW_OK);
	assert_int_equal(gathered, 5);
	assert_int_equal(alone.max(&alone, &value, 1), THAW_OK);
	assert_int_equal(value, 7);
	assert_int_equal(thaw_comm_same(&alone, "x", "x", "x"), THAW_OK);
	thaw_fail(THAW_IO, "full");
	assert_int_equal(thaw_comm_agree(&alone, THAW_IO), THAW_IO);
	assert_string_equal(thaw_error_message(), "full");
	void *memory = NULL;
	assert_int_equal(alone.node_alloc(&alone, 10, &memory), THAW_OK);
	assert_memory_equal(memory, "\0\0\0\0\0\0\0\0\0", 10);
	alone.node_free(&alone, memory, 10);
	alone.node_free(&alone, NULL, 10);
	alone.abort(&alone, 1); /* returns: there is no other rank to end */
	alone.close(&alone);
}

static void signals_are_recorded(void **state)
{
	(void)state;
	static const int signals[] = {SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGINT};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		assert_int_equal(thaw_signals_install(), THAW_OK);
		assert_int_equal(thaw_stop_requested(), 0);
		raise(signals[i]);
		assert_int_equal(thaw_stop_requested(), signals[i]);
		raise(SIGTERM);
		assert_int_equal(thaw_stop_requested(), signals[i]);
	}
	assert_string_equal(thaw_signal_name(SIGXCPU), "SIGXCPU");
	assert_string_equal(thaw_signal_name(0), "a signal");
}

static void a_second_interrupt_ends_the_process(void **state)
{
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		thaw_signals_install();
		raise(SIGTERM);
		raise(SIGINT);
		raise(SIGINT);
		_exit(0);
	}
	int how = 0;
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGINT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failure_fails_all_ranks),
		cmocka_unit_test(a_different_rank_is_named),
		cmocka_unit_test(the_rank_that_differs_from_most_is_found),
		cmocka_unit_test(alone_is_a_communicator),
		cmocka_unit_test(signals_are_recorded),
		cmocka_unit_test(a_second_interrupt_ends_the_process),
	};
	return cmocka_run_group_tests_name("comm", tests, NULL, NULL);
}
