/* The ranking of networks and the Pareto front of quality and cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/advise/ranking.h"

static void assert_order(const struct thaw_ranked_network *s, const int *network, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(s[i].network, network[i]);
}

static void probe_decides_beyond_two_errors(void **state)
{
	(void)state;
	struct thaw_ranked_network s[] = {
		{.network = 0, .probe = 0.5, .error = 0.01, .logme = 9, .seconds = 1},
		{.network = 1, .probe = 0.9, .error = 0.01, .logme = 1, .seconds = 1},
		{.network = 2, .probe = 0.7, .error = 0.01, .logme = -1, .seconds = 1},
	};
	thaw_ranking_sort(s, 3);
	assert_order(s, (int[]){1, 2, 0}, 3);
}

static void logme_decides_within_two_errors(void **state)
{
	(void)state;
	/* 0.03 and 0.04 are a difference of 0.05; 0.9 and 0.79 are further apart than twice that, 0.9 and 0.8 are not.
	 */
	struct thaw_ranked_network s[] = {
		{.network = 0, .probe = 0.79, .error = 0.04, .logme = 3, .seconds = 1},
		{.network = 1, .probe = 0.9, .error = 0.03, .logme = 1, .seconds = 1},
		{.network = 2, .probe = 0.801, .error = 0.04, .logme = 2, .seconds = 1},
	};
	thaw_ranking_sort(s, 3);
	assert_order(s, (int[]){2, 1, 0}, 3);
}

static void ties_keep_their_order(void **state)
{
	(void)state;
	struct thaw_ranked_network s[] = {
		{.network = 0, .probe = 0.5, .seconds = 3},
		{.network = 1, .probe = 0.6, .seconds = 2},
		{.network = 2, .probe = 0.5, .seconds = 1},
		{.network = 3, .probe = 0.5, .seconds = 2},
	};
	thaw_ranking_sort(s, 4);
	assert_order(s, (int[]){1, 0, 2, 3}, 4);
}

static void front_has_no_better_network_as_cheap(void **state)
{
	(void)state;
	struct thaw_ranked_network s[] = {
		{.network = 0, .probe = 0.9, .seconds = 9},  /* the best */
		{.network = 1, .probe = 0.8, .seconds = 10}, /* slower than the best */
		{.network = 2, .probe = 0.7, .seconds = 4},
		{.network = 3, .probe = 0.6, .seconds = 4}, /* as slow as a better one */
		{.network = 4, .probe = 0.5, .seconds = 1}, /* the fastest */
	};
	const bool front[] = {true, false, true, false, true};
	thaw_ranking_sort(s, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(s[i].pareto, front[s[i].network]);
}

static void best_is_on_the_front(void **state)
{
	(void)state;
	struct thaw_ranked_network s[] = {
		{.network = 0, .probe = 0.90, .error = 0.02, .logme = 1, .seconds = 1},
		{.network = 1, .probe = 0.89, .error = 0.02, .logme = 2, .seconds = 2},
	};
	thaw_ranking_sort(s, 2);
	assert_order(s, (int[]){1, 0}, 2);
	assert_true(s[0].pareto && s[1].pareto);
	thaw_ranking_sort(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(probe_decides_beyond_two_errors),
		cmocka_unit_test(logme_decides_within_two_errors),
		cmocka_unit_test(ties_keep_their_order),
		cmocka_unit_test(front_has_no_better_network_as_cheap),
		cmocka_unit_test(best_is_on_the_front),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
