/* The precision of a graph. */
#include <stdio.h>
#include <string.h>

#include "src/ops/kernels/bf16_ops.h"
#include "thaw/graph.h"

static const char *const names[THAW_PRECISIONS] = {
	[THAW_PRECISION_FP32] = "fp32",
	[THAW_PRECISION_BF16] = "bf16",
};

const char *thaw_precision_name(enum thaw_precision precision)
{
	return names[precision];
}

enum thaw_precision thaw_precision_find(const char *name)
{
	int i = 0;
	while (i < THAW_PRECISIONS && strcmp(names[i], name) != 0)
		i++;
	return (enum thaw_precision)i;
}

const char *thaw_precision_arithmetic(enum thaw_precision precision)
{
	if (precision == THAW_PRECISION_FP32)
		return "fp32";
	return thaw_bf16_best() == &thaw_bf16_portable ? NULL : thaw_bf16_best()->name;
}

const char *thaw_precision_rejected(enum thaw_precision precision)
{
	const struct thaw_bf16_ops *native = precision == THAW_PRECISION_BF16 ? thaw_bf16_native() : NULL;
	return native && native != thaw_bf16_best() ? native->name : NULL;
}

const char *thaw_precision_line(enum thaw_precision precision, char *text, size_t size)
{
	const char *arithmetic = thaw_precision_arithmetic(precision), *name = names[precision];
	if (precision == THAW_PRECISION_FP32)
		return NULL;
	if (arithmetic)
		snprintf(text, size, "precision: %s, by %s", name, arithmetic);
	else
		snprintf(text, size,
			 "warning: this processor has no arithmetic for %s: --precision: fp32 is faster here; %s gives "
			 "the results of a processor that has it",
			 name, name);
	return text;
}

void thaw_graph_set_precision(struct thaw_graph *g, enum thaw_precision precision)
{
	g->precision = precision;
	for (int i = 1; i < g->node_count; i++)
		if (g->nodes[i].op->rounds)
			g->nodes[i].attrs.precision = precision;
}
