/* What trains within the unfrozen part. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thaw/graph.h"

#define LORA          "lora:"
#define MAX_RANK      1024
#define DEFAULT_ALPHA 8.0 /* as PEFT's LoraConfig */

static const char *const names[] = {
	[THAW_TUNE_ALL] = "all",
	[THAW_TUNE_NORM] = "norm",
	[THAW_TUNE_BIAS] = "bias",
};

static bool read_lora(struct thaw_tune *tune, const char *text)
{
	char *end;
	long rank = strtol(text, &end, 10);
	double alpha = DEFAULT_ALPHA;
	if (end == text || rank < 1 || rank > MAX_RANK)
		return false;
	if (*end == ':') {
		text = end + 1;
		alpha = strtod(text, &end);
		if (end == text || !isfinite((float)alpha) || !(alpha > 0.0))
			return false;
	}
	*tune = (struct thaw_tune){THAW_TUNE_LORA, (int)rank, alpha};
	return *end == '\0';
}

thaw_status thaw_tune_read(struct thaw_tune *tune, const char *text)
{
	for (int kind = THAW_TUNE_ALL; kind <= THAW_TUNE_BIAS; kind++)
		if (strcmp(text, names[kind]) == 0) {
			*tune = (struct thaw_tune){.kind = kind};
			return THAW_OK;
		}
	if (strncmp(text, LORA, strlen(LORA)) == 0 && read_lora(tune, text + strlen(LORA)))
		return THAW_OK;
	return thaw_fail(THAW_USAGE,
			 "not understood: --tune %.64s: give all, norm, bias, lora:R with a rank R from 1 to %d, or "
			 "lora:R:ALPHA",
			 text, MAX_RANK);
}

const char *thaw_tune_text(const struct thaw_tune *tune, char *text, size_t size)
{
	if (tune->kind == THAW_TUNE_LORA)
		snprintf(text, size, LORA "%d:%.17g", tune->rank, tune->alpha);
	else
		snprintf(text, size, "%s", names[tune->kind]);
	return text;
}

/* Of a parameter outside the classifier. */
static bool trains(const struct thaw_graph *g, const struct thaw_param *p, enum thaw_tune_kind kind)
{
	switch (kind) {
	case THAW_TUNE_NORM:
		return p->role == THAW_ROLE_SCALE || p->role == THAW_ROLE_SHIFT;
	case THAW_TUNE_BIAS: /* the values of constants, such as position embeddings, are not decayed either */
		return p->role == THAW_ROLE_SHIFT || (p->role == THAW_ROLE_BIAS && !g->nodes[p->node].op->parameter);
	case THAW_TUNE_LORA:
		return p->role == THAW_ROLE_ADAPTER;
	default:
		return true;
	}
}

void thaw_graph_tune(struct thaw_graph *g, const struct thaw_tune *tune)
{
	for (int i = 0; i < g->param_count; i++) {
		struct thaw_param *p = &g->params[i];
		if (p->trainable && p->node != g->head)
			p->trainable = trains(g, p, tune->kind);
	}
}
