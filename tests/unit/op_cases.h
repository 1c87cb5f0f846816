/* One cmocka test per case of an operator. */
#ifndef THAW_TESTS_OP_CASES_H
#define THAW_TESTS_OP_CASES_H

/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "thaw/ops.h"

enum { OP_CASES = 1024 };

struct op_case {
	const struct thaw_op *op;
	struct thaw_op_case c;
	char name[128];
};

struct op_cases {
	struct op_case of[OP_CASES];
	struct CMUnitTest tests[OP_CASES];
	size_t count;
};

/* Adds a test of all cases of an operator in this precision. Its state is a struct op_case. */
static inline void op_cases_add(struct op_cases *cases, const struct thaw_op *op, enum thaw_precision precision,
				CMUnitTestFunction test)
{
	for (int k = 0; k < op->case_count; k++) {
		if (cases->count == OP_CASES) {
			fprintf(stderr, "more than %d cases of operators: raise OP_CASES\n", OP_CASES);
			exit(1);
		}
		struct op_case *to = &cases->of[cases->count];
		to->op = op;
		to->c = op->cases[k];
		to->c.attrs.precision = precision;
		snprintf(to->name, sizeof(to->name), "%s: %s%s", op->name, to->c.name,
			 precision == THAW_PRECISION_BF16 ? ", bf16" : "");
		cases->tests[cases->count++] = (struct CMUnitTest){to->name, test, NULL, NULL, to};
	}
}

/* Runs the tests whose names match argv[1]; without it, all. */
static inline int op_cases_run(struct op_cases *cases, const char *group, int argc, char **argv)
{
	setenv("OPENBLAS_NUM_THREADS", "1", 0);
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return _cmocka_run_group_tests(group, cases->tests, cases->count, NULL, NULL);
}

#endif
