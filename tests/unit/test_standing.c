/* Networks by what they are worth: the order, and who is on the front of worth against time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "src/advise/standing.h"

static void assert_order(const struct thaw_standing *s, const int *network, int count)
{
	for (int i = 0; i < count; i++)
		assert_int_equal(s[i].network, network[i]);
}

static void the_probe_decides_where_it_can_tell(void **state)
{
	(void)state;
	struct thaw_standing s[] = {
		{.network = 0, .probe = 0.5, .error = 0.01, .logme = 9, .seconds = 1},
		{.network = 1, .probe = 0.9, .error = 0.01, .logme = 1, .seconds = 1},
		{.network = 2, .probe = 0.7, .error = 0.01, .logme = -1, .seconds = 1},
	};
	thaw_standing_order(s, 3);
	assert_order(s, (int[]){1, 2, 0}, 3);
}

static void logme_decides_within_two_errors(void **state)
{
	(void)state;
	/* 0.03 and 0.04 are a difference of 0.05; 0.9 and 0.79 are further apart than twice that, 0.9 and 0.8 are not.
	 */
	struct thaw_standing s[] = {
		{.network = 0, .probe = 0.79, .error = 0.04, .logme = 3, .seconds = 1},
		{.network = 1, .probe = 0.9, .error = 0.03, .logme = 1, .seconds = 1},
		{.network = 2, .probe = 0.801, .error = 0.04, .logme = 2, .seconds = 1},
	};
	thaw_standing_order(s, 3);
	assert_order(s, (int[]){2, 1, 0}, 3);
}

static void equals_stay_as_they_came(void **state)
{
	(void)state;
	struct thaw_standing s[] = {
		{.network = 0, .probe = 0.5, .seconds = 3},
		{.network = 1, .probe = 0.6, .seconds = 2},
		{.network = 2, .probe = 0.5, .seconds = 1},
		{.network = 3, .probe = 0.5, .seconds = 2},
	};
	thaw_standing_order(s, 4);
	assert_order(s, (int[]){1, 0, 2, 3}, 4);
}

static void the_front_is_what_nothing_better_is_as_cheap_as(void **state)
{
	(void)state;
	struct thaw_standing s[] = {
		{.network = 0, .probe = 0.9, .seconds = 9},  /* the best */
		{.network = 1, .probe = 0.8, .seconds = 10}, /* dearer than the best */
		{.network = 2, .probe = 0.7, .seconds = 4},
		{.network = 3, .probe = 0.6, .seconds = 4}, /* as dear as a better one */
		{.network = 4, .probe = 0.5, .seconds = 1}, /* the cheapest */
	};
	const bool front[] = {true, false, true, false, true};
	thaw_standing_order(s, 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(s[i].pareto, front[s[i].network]);
}

static void the_best_is_on_the_front_whatever_decided(void **state)
{
	(void)state;
	struct thaw_standing s[] = {
		{.network = 0, .probe = 0.90, .error = 0.02, .logme = 1, .seconds = 1},
		{.network = 1, .probe = 0.89, .error = 0.02, .logme = 2, .seconds = 2},
	};
	thaw_standing_order(s, 2);
	assert_order(s, (int[]){1, 0}, 2);
	assert_true(s[0].pareto && s[1].pareto);
	thaw_standing_order(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_probe_decides_where_it_can_tell),
		cmocka_unit_test(logme_decides_within_two_errors),
		cmocka_unit_test(equals_stay_as_they_came),
		cmocka_unit_test(the_front_is_what_nothing_better_is_as_cheap_as),
		cmocka_unit_test(the_best_is_on_the_front_whatever_decided),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
