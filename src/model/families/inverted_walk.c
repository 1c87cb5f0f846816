/* See inverted_walk.h. Files are not trusted: a block whose shapes do not fit together ends the walk. */
#include "src/model/families/inverted_walk.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "src/base/minmax.h"

#define MAX_KERNEL     64
#define RGB            3
#define WIDTH_MULTIPLE 8
#define SQUEEZE        4

/* The scaled number of channels, rounded to a multiple of 8 but not below 0.9 of the exact value. */
static int scale_width(int channels, double by)
{
	const double exact = channels * by;
	int rounded = (int)(exact + WIDTH_MULTIPLE / 2.0) / WIDTH_MULTIPLE * WIDTH_MULTIPLE;
	rounded = max_int(rounded, WIDTH_MULTIPLE);
	return rounded < 0.9 * exact ? rounded + WIDTH_MULTIPLE : rounded;
}

static int end_width(const struct thaw_inverted_plan *plan, int channels)
{
	return plan->fixed_ends ? channels : scale_width(channels, plan->width);
}

/* The names of a unit of block `number`, whose name is `block`; "": outside blocks. */
static void name_unit(struct thaw_inverted_unit *u, const struct thaw_inverted_naming *naming,
		      const struct thaw_inverted_unit_names *names, const char *block, int number)
{
	char prefix[THAW_LAYER_NAME + 2] = "";
	if (*block && naming->layers > 1)
		snprintf(prefix, sizeof(prefix), "%s%d.", naming->block, number * naming->layers + names->layer);
	else if (*block)
		snprintf(prefix, sizeof(prefix), "%s.", block);
	snprintf(u->conv, sizeof(u->conv), "%s%s", prefix, names->conv);
	snprintf(u->norm, sizeof(u->norm), "%s%s", prefix, names->norm);
	u->end = names->end;
}

/* The sizes of a named convolution with `in` channels; false: it is absent or not valid. */
static bool measure_conv(struct thaw_inverted_unit *u, const struct thaw_weights *w, int64_t in)
{
	char name[2 * THAW_LAYER_NAME + 16];
	snprintf(name, sizeof(name), "%s.weight", u->conv);
	if (!thaw_weights_has_shape(w, name, &thaw_shape_of(0, 0, 0, 0)))
		return false;
	const struct thaw_shape *shape = &thaw_weights_find(w, name)->shape;
	const int64_t *dim = shape->dim;
	if (in % dim[1] != 0 || dim[2] != dim[3] || dim[2] > MAX_KERNEL || dim[0] % (in / dim[1]) != 0)
		return false;
	u->in = in;
	u->out = dim[0];
	u->groups = in / dim[1];
	u->kernel = (int)dim[2];
	u->parts = 0;
	u->values = thaw_shape_count(shape);
	return true;
}

bool thaw_inverted_part(struct thaw_inverted_unit *part, const struct thaw_inverted_unit *whole, int parts, int i,
			const struct thaw_weights *w)
{
	const int64_t rest = i == 0 ? whole->in % parts : 0;
	snprintf(part->conv, sizeof(part->conv), "%.180s.%d", whole->conv, i);
	return measure_conv(part, w, whole->in / parts + rest);
}

static bool measure_parts(struct thaw_inverted_unit *u, const struct thaw_weights *w, int64_t in)
{
	char prefix[2 * THAW_LAYER_NAME + 2];
	snprintf(prefix, sizeof(prefix), "%s.", u->conv);
	const int parts = thaw_weights_count(w, prefix, 0, ".weight");
	if (parts < 1 || parts > THAW_INVERTED_PARTS || parts > in)
		return false;
	u->in = in;
	u->out = u->values = u->kernel = 0;
	u->groups = 1;
	u->parts = parts;
	for (int i = 0; i < parts; i++) {
		struct thaw_inverted_unit part;
		if (!thaw_inverted_part(&part, u, parts, i, w))
			return false;
		u->out += part.out;
		u->values += part.values;
		u->kernel = max_int(u->kernel, part.kernel);
	}
	return true;
}

/* The sizes of a named unit with `in` channels; false: it is absent or not valid. */
static bool measure_unit(struct thaw_inverted_unit *u, const struct thaw_weights *w, int64_t in)
{
	char name[2 * THAW_LAYER_NAME + 16];
	if (!measure_conv(u, w, in) && !measure_parts(u, w, in))
		return false;
	snprintf(name, sizeof(name), "%s.running_mean", u->norm); /* batch norm: no other has it */
	return thaw_weights_has_shape(w, name, &thaw_shape_of(u->out));
}

bool thaw_inverted_start(struct thaw_inverted_walk *walk, const struct thaw_inverted_naming *naming,
			 const struct thaw_weights *w, const struct thaw_inverted_plan *plan)
{
	*walk = (struct thaw_inverted_walk){.naming = naming, .w = w, .plan = plan, .block = {.stage = -1}};
	walk->block.number = -1;
	name_unit(&walk->stem, naming, &naming->stem, "", 0);
	if (w && !measure_unit(&walk->stem, w, RGB))
		return false;
	if (!w) {
		walk->stages = plan->stages;
		walk->stem.in = RGB;
		walk->stem.out = end_width(plan, plan->stem);
		walk->stem.groups = 1;
		walk->stem.kernel = 3;
	}
	walk->block.out = walk->stem.out;
	return true;
}

/* The kind of the block of this name, or NULL. */
static const struct thaw_inverted_kind *find_kind(const struct thaw_inverted_walk *walk, const char *block)
{
	const struct thaw_inverted_kind *kinds = walk->naming->kinds;
	for (int k = 0; k < THAW_INVERTED_KINDS && kinds[k].mark; k++) {
		char name[2 * THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s.%s", block, kinds[k].mark);
		if (thaw_weights_find(walk->w, name))
			return &kinds[k];
	}
	return NULL;
}

/* Names the next block, which is in `stage`. */
static void name_block(struct thaw_inverted_walk *walk, int stage)
{
	const struct thaw_inverted_naming *n = walk->naming;
	struct thaw_inverted_block *b = &walk->block;
	const int number = b->number - (n->first_block != NULL), layers = max_int(n->layers, 1);
	if (n->first_block && b->number == 0)
		snprintf(b->name, sizeof(b->name), "%s", n->first_block);
	else if (n->staged)
		snprintf(b->name, sizeof(b->name), "%s%d.%d", n->block, n->first + stage, walk->in_stage);
	else
		snprintf(b->name, sizeof(b->name), "%s%d", n->block, n->first + number * layers);
}

static bool measure_squeeze(struct thaw_inverted_block *b, const struct thaw_weights *w)
{
	char name[2 * THAW_LAYER_NAME];
	b->squeezed = 0;
	if (!b->kind->reduce || b->units < 2)
		return true;
	snprintf(name, sizeof(name), "%s.%s.weight", b->name, b->kind->reduce);
	const struct thaw_named_tensor *t = thaw_weights_find(w, name);
	if (!t)
		return true;
	b->squeezed = t->shape.dim[0];
	return thaw_weights_has_shape(w, name, &thaw_shape_of(0, b->unit[b->units - 1].in, 1, 1));
}

static bool measure_block(struct thaw_inverted_walk *walk)
{
	struct thaw_inverted_block *b = &walk->block;
	int64_t channels = b->in = b->out;
	b->units = 0;
	for (int i = 0; i < THAW_INVERTED_UNITS && b->kind->unit[i].conv; i++) {
		struct thaw_inverted_unit *u = &b->unit[b->units];
		name_unit(u, walk->naming, &b->kind->unit[i], b->name, b->number);
		if (!measure_unit(u, walk->w, channels))
			continue;
		channels = u->out;
		b->units++;
	}
	b->out = channels;
	return b->units > 0 && measure_squeeze(b, walk->w);
}

/* Whether the current block is the first of a stage. */
static bool starts_stage(const struct thaw_inverted_walk *walk)
{
	const struct thaw_inverted_naming *n = walk->naming;
	const struct thaw_inverted_block *b = &walk->block;
	if (n->staged)
		return walk->in_stage == 0;
	if (b->number > 0 && n->stage_blocks)
		return walk->in_stage == n->stage_blocks[b->stage] - '0';
	return b->number == 0 || b->out != walk->channels;
}

static bool next_in_file(struct thaw_inverted_walk *walk)
{
	struct thaw_inverted_block *b = &walk->block;
	const bool staged = walk->naming->staged;
	int stage = max_int(b->stage, 0);
	b->number++;
	name_block(walk, stage);
	b->kind = find_kind(walk, b->name);
	if (!b->kind && staged && b->stage >= 0) {
		walk->in_stage = 0;
		name_block(walk, ++stage);
		b->kind = find_kind(walk, b->name);
	}
	if (!b->kind || !measure_block(walk))
		return false;
	b->first = starts_stage(walk);
	b->stage += b->first;
	walk->channels = b->out;
	walk->in_stage = b->first ? 1 : walk->in_stage + 1;
	return true;
}

/* Reads the next stage of the plan. */
static bool start_stage(struct thaw_inverted_walk *walk)
{
	const struct thaw_inverted_plan *plan = walk->plan;
	int channels, blocks, length;
	if (sscanf(walk->stages, " %dk%dc%dn%d%n", &walk->expand, &walk->kernel, &channels, &blocks, &length) != 4)
		return false;
	walk->stages += length;
	const bool end = walk->block.stage < 0 || *walk->stages == '\0';
	walk->left = plan->fixed_ends && end ? blocks : (int)ceil(blocks * plan->depth);
	walk->channels = scale_width(channels, plan->width);
	walk->in_stage = 0;
	walk->block.stage++;
	return true;
}

static void plan_block(struct thaw_inverted_walk *walk)
{
	struct thaw_inverted_block *b = &walk->block;
	const int kernels[] = {1, walk->kernel, 1};
	const int64_t inner = b->out * walk->expand, out[] = {inner, inner, walk->channels};
	const bool plain = walk->expand == 1;
	b->kind = &walk->naming->kinds[plain ? walk->naming->separable : walk->naming->inverted];
	const bool optional = plain && b->kind->unit[2].conv; /* the kind has an expansion, which is left out */
	b->in = b->out;
	b->units = plain ? 2 : 3;
	int64_t channels = b->in;
	for (int i = 0; i < b->units; i++) {
		struct thaw_inverted_unit *u = &b->unit[i];
		name_unit(u, walk->naming, &b->kind->unit[i + optional], b->name, b->number);
		u->in = channels;
		u->out = channels = out[i + plain];
		u->kernel = kernels[i + plain];
		u->groups = i + plain == 1 ? inner : 1;
	}
	b->squeezed = walk->plan->squeeze && b->kind->reduce ? b->in / SQUEEZE : 0;
	b->out = walk->channels;
}

static bool next_in_plan(struct thaw_inverted_walk *walk)
{
	if (walk->left == 0 && !start_stage(walk))
		return false;
	walk->block.number++;
	walk->block.first = walk->in_stage == 0;
	name_block(walk, walk->block.stage);
	plan_block(walk);
	walk->in_stage++;
	walk->left--;
	return true;
}

bool thaw_inverted_next(struct thaw_inverted_walk *walk)
{
	return walk->w ? next_in_file(walk) : next_in_plan(walk);
}

bool thaw_inverted_head(const struct thaw_inverted_walk *walk, struct thaw_inverted_unit *head)
{
	static const struct thaw_inverted_unit_names numbered = {"0", "1", THAW_END_ACTIVE, 0};
	const struct thaw_inverted_naming *n = walk->naming;
	const struct thaw_inverted_block *b = &walk->block;
	char name[THAW_LAYER_NAME];
	int last = n->staged ? b->stage + 1 : b->number + !walk->w;
	*head = (struct thaw_inverted_unit){0};
	snprintf(name, sizeof(name), "%s%d", n->block, n->first + last);
	name_unit(head, n, n->head.conv ? &n->head : &numbered, n->head.conv ? "" : name, last);
	if (walk->w)
		return measure_unit(head, walk->w, b->out);
	head->in = b->out;
	head->out = end_width(walk->plan, walk->plan->head);
	head->groups = head->kernel = 1;
	return true;
}

bool thaw_inverted_has_hidden(const struct thaw_inverted_walk *walk)
{
	const struct thaw_inverted_naming *n = walk->naming;
	struct thaw_inverted_unit head;
	char weight[2 * THAW_LAYER_NAME];
	if (!walk->w || !n->hidden)
		return false;
	snprintf(weight, sizeof(weight), "%s.weight", n->hidden);
	return thaw_weights_find(walk->w, weight) &&
	       !(thaw_inverted_head(walk, &head) && strcmp(head.conv, n->hidden) == 0);
}

static int64_t count_unit(const struct thaw_inverted_unit *u)
{
	return u->values + 2 * u->out;
}

static int64_t count_block(const struct thaw_inverted_block *b)
{
	int64_t n = 0, inner = b->unit[b->units - 1].in;
	for (int i = 0; i < b->units; i++)
		n += count_unit(&b->unit[i]);
	return n + (b->squeezed ? 2 * inner * b->squeezed + inner + b->squeezed : 0);
}

/* Values of a layer whose name may be NULL. */
static int64_t count_layer(const struct thaw_weights *w, const char *layer)
{
	static const char *const parts[] = {".weight", ".bias"};
	int64_t n = 0;
	for (size_t i = 0; layer && i < sizeof(parts) / sizeof(*parts); i++) {
		char name[2 * THAW_LAYER_NAME];
		snprintf(name, sizeof(name), "%s%s", layer, parts[i]);
		const struct thaw_named_tensor *t = thaw_weights_find(w, name);
		n += t ? thaw_shape_count(&t->shape) : 0;
	}
	return n;
}

int64_t thaw_inverted_count(const struct thaw_inverted_naming *naming, const struct thaw_weights *w)
{
	struct thaw_inverted_walk walk;
	struct thaw_inverted_unit head;
	if (!thaw_inverted_start(&walk, naming, w, NULL))
		return 0;
	int64_t n = count_unit(&walk.stem);
	while (thaw_inverted_next(&walk))
		n += count_block(&walk.block);
	if (thaw_inverted_head(&walk, &head))
		n += count_unit(&head);
	if (thaw_inverted_has_hidden(&walk))
		n += count_layer(w, naming->hidden) + count_layer(w, naming->hidden_norm);
	return n;
}
