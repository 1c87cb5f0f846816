/* Operators that only move elements: rearrange, flatten, concat, gather, pad, constant. */
#include <string.h>

#include "src/onnx/export/exporter.h"

/* A rearrange node in ONNX: Reshape into factors, Slice, Transpose, Reshape into axes. Input and output may be in any
 * layout. */
struct moving {
	struct thaw_onnx_size
		split[THAW_MAX_FACTORS + THAW_MAX_DIMS]; /* sizes of the factors of x, in the order of its layout */
	int count;
	int factor[THAW_MAX_FACTORS]; /* index in thaw_factors of each */
	struct thaw_onnx_size taken[THAW_MAX_FACTORS];
	bool changed, sliced; /* the split needs a Reshape; some factor is sliced */
};

/* The size of factor `at`: its own, or inferred from the axis and the other factors of it. */
static struct thaw_onnx_size factor_size(const struct thaw_onnx_exporter *e, int value, const struct thaw_factors *f,
					 int at)
{
	struct thaw_onnx_size axis = thaw_onnx_size_of(e, value, f->axis[at]);
	bool first = at == 0 || f->axis[at - 1] != f->axis[at];
	struct thaw_onnx_size size = {.size = f->size[at], .images = axis.images && first, .from = -1};
	if (size.size)
		return size;
	size.size = axis.size;
	size.open = axis.open;
	for (int k = 0; k < f->count; k++)
		if (k != at && f->axis[k] == f->axis[at])
			size.size /= f->size[k];
	return size;
}

/* Always of size 1: its position does not matter, so it is omitted. */
static bool is_unit(const struct thaw_onnx_size *s)
{
	return s->size == 1 && !s->images && !s->open;
}

static void split_axes(const struct thaw_onnx_exporter *e, const struct thaw_node *n, enum thaw_onnx_layout layout,
		       struct moving *m)
{
	const struct thaw_factors *f = &n->attrs.factors;
	const int ndim = thaw_onnx_shape_in(e, n, 0)->ndim;
	int order[THAW_MAX_DIMS];
	thaw_onnx_layout_order(layout, ndim, order);
	for (int i = 0; i < ndim; i++) {
		int first = m->count;
		for (int k = 0; k < f->count; k++)
			if (f->axis[k] == order[i]) {
				m->factor[m->count] = k;
				m->split[m->count] = factor_size(e, n->inputs[0], f, k);
				m->count += !is_unit(&m->split[m->count]);
			}
		if (m->count == first + 1)
			m->split[first].from = i;
		m->changed |= m->count != first + 1;
	}
}

static int64_t step_of(const struct thaw_factors *f, int k)
{
	return f->step[k] ? f->step[k] : 1;
}

/* Sets the sizes after slicing. */
static void set_sliced_sizes(const struct thaw_factors *f, struct moving *m)
{
	for (int i = 0; i < m->count; i++) {
		const int k = m->factor[i];
		const int64_t size = m->split[i].size, step = step_of(f, k);
		const int64_t start = f->start[k] < 0 ? f->start[k] + size : f->start[k];
		struct thaw_onnx_size *to = &m->taken[i];
		*to = m->split[i];
		to->from = -1;
		to->size = f->take[k] ? f->take[k] : step > 0 ? (size - start + step - 1) / step : start / -step + 1;
		to->open = m->split[i].open && !f->take[k];
		m->sliced |= to->size != size || step != 1;
	}
}

static const char *slice(struct thaw_onnx_exporter *e, const char *x, const struct thaw_factors *f,
			 const struct moving *m)
{
	int64_t start[THAW_MAX_FACTORS], end[THAW_MAX_FACTORS], axis[THAW_MAX_FACTORS], step[THAW_MAX_FACTORS];
	int count = 0;
	for (int i = 0; i < m->count; i++) {
		const int k = m->factor[i];
		if (m->taken[i].size == m->split[i].size && step_of(f, k) == 1)
			continue;
		start[count] = f->start[k];
		step[count] = step_of(f, k);
		axis[count] = i;
		end[count] = start[count] + m->taken[i].size * step[count];
		bool passes_end = f->take[k] == 0 || (end[count] < 0) != (start[count] < 0);
		if (passes_end)
			end[count] = step[count] > 0 ? INT64_MAX : -INT64_MAX;
		count++;
	}
	const char *inputs[] = {x, thaw_onnx_emit_ints(e, start, count), thaw_onnx_emit_ints(e, end, count),
				thaw_onnx_emit_ints(e, axis, count), thaw_onnx_emit_ints(e, step, count)};
	return thaw_onnx_output_of(thaw_onnx_emit(e, "Slice", inputs, 5));
}

/* order[] = the positions in m->split of the output's factors, in this layout. */
static void target_order(const struct thaw_factors *f, enum thaw_onnx_layout layout, const struct moving *m, int *order)
{
	int axes[THAW_MAX_DIMS], count = 0;
	thaw_onnx_layout_order(layout, f->ndim, axes);
	for (int i = 0; i < f->ndim; i++)
		for (int k = 0; k < f->count; k++)
			for (int at = 0; at < m->count && f->target[k] == axes[i]; at++)
				if (m->factor[at] == f->order[k])
					order[count++] = at;
}

/* The last step: joins the factors, in `order`, into the axes of the output. `direct`: x is the input itself, not
 * split. */
static const char *merge(struct thaw_onnx_exporter *e, const char *x, const struct thaw_factors *f,
			 enum thaw_onnx_layout layout, const struct moving *m, const int *order, bool direct)
{
	struct thaw_onnx_size sizes[THAW_MAX_DIMS];
	int axes[THAW_MAX_DIMS], target[THAW_MAX_FACTORS], at = 0;
	bool changed = direct && m->changed;
	thaw_onnx_layout_order(layout, f->ndim, axes);
	for (int k = 0; k < f->count; k++)
		target[f->order[k]] = f->target[k];
	for (int i = 0; i < f->ndim; i++) {
		const int first = at;
		sizes[i] = (struct thaw_onnx_size){.size = 1, .from = -1};
		for (; at < m->count && target[m->factor[order[at]]] == axes[i]; at++) {
			sizes[i].size *= m->taken[order[at]].size;
			sizes[i].images |= m->taken[order[at]].images;
			sizes[i].open |= m->taken[order[at]].open;
		}
		if (at == first + 1)
			sizes[i].from = direct ? m->split[order[first]].from : first;
		changed |= at != first + 1;
	}
	return changed ? thaw_onnx_emit_reshape(e, x, sizes, f->ndim) : x;
}

static bool in_order(const int *order, int count)
{
	for (int i = 0; i < count; i++)
		if (order[i] != i)
			return false;
	return true;
}

/* Whether the fastest factor of x remains the fastest. */
static bool keeps_fastest(const struct thaw_factors *f, enum thaw_onnx_layout layout, const struct moving *m)
{
	int order[THAW_MAX_FACTORS];
	target_order(f, layout, m, order);
	return m->count == 0 || order[m->count - 1] == m->count - 1;
}

/* The layout of the result. An image keeps its input's layout unless only the other layout keeps the fastest factor. */
static enum thaw_onnx_layout layout_after(const struct thaw_factors *f, enum thaw_onnx_layout from, int ndim,
					  const struct moving *m)
{
	enum { IMAGE = 4 }; /* axes */
	enum thaw_onnx_layout other =
		from == THAW_ONNX_CHANNELS_LAST ? THAW_ONNX_CHANNELS_FIRST : THAW_ONNX_CHANNELS_LAST;
	if (f->ndim != IMAGE || (from == THAW_ONNX_CHANNELS_LAST && ndim != IMAGE))
		return THAW_ONNX_CHANNELS_LAST;
	return keeps_fastest(f, other, m) && !keeps_fastest(f, from, m) ? other : from;
}

/* Whether the node only drops the axes of size 1 of (N,1,...,1,C). */
static bool drops_axes(const struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct thaw_shape *x = thaw_onnx_shape_in(e, n, 0), *y = &e->shapes[e->node];
	const struct thaw_factors *f = &n->attrs.factors;
	int last_factors = 0;
	for (int k = 0; k < f->count; k++)
		last_factors += f->axis[k] == x->ndim - 1;
	return thaw_onnx_one_pixel(e, n->inputs[0]) && y->ndim == 2 && last_factors == 1 && x->dim[0] == y->dim[0] &&
	       x->dim[x->ndim - 1] == y->dim[1];
}

void thaw_onnx_export_rearrange(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const struct thaw_factors *f = &n->attrs.factors;
	enum thaw_onnx_layout from = thaw_onnx_common_layout(e, n), to;
	struct moving m = {0};
	int order[THAW_MAX_FACTORS];
	split_axes(e, n, from, &m);
	set_sliced_sizes(f, &m);
	if (drops_axes(e, n) && !m.sliced) {
		thaw_onnx_out(e, THAW_ONNX_CHANNELS_LAST, thaw_onnx_in(e, n, 0, THAW_ONNX_FLAT));
		return;
	}
	to = layout_after(f, from, thaw_onnx_shape_in(e, n, 0)->ndim, &m);
	target_order(f, to, &m, order);
	bool direct = !m.sliced && in_order(order, m.count);
	const char *x = thaw_onnx_in(e, n, 0, from);
	if (m.changed && !direct)
		x = thaw_onnx_emit_reshape(e, x, m.split, m.count);
	if (m.sliced)
		x = slice(e, x, f, &m);
	x = thaw_onnx_emit_transpose(e, x, order, m.count);
	thaw_onnx_out(e, to, merge(e, x, f, to, &m, order, direct));
}

/* (N,H,W,C) to (N,H*W*C). Frameworks flatten (N,C,H,W), and the following weights may be stored for that order, so both
 * orders are distinguished. */
void thaw_onnx_export_flatten(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	if (thaw_onnx_shape_in(e, n, 0)->ndim == 2) {
		thaw_onnx_out_input(e, n);
	} else if (thaw_onnx_one_pixel(e, n->inputs[0])) {
		thaw_onnx_out(e, THAW_ONNX_CHANNELS_LAST, thaw_onnx_in(e, n, 0, THAW_ONNX_FLAT));
	} else {
		thaw_onnx_out(e, layout, thaw_onnx_emit_one(e, "Flatten", thaw_onnx_in(e, n, 0, layout)));
		e->values[e->node].flattened = n->inputs[0];
	}
}

/* Expands x, which does not depend on the images, to the batch size of `like`. */
static const char *repeat(struct thaw_onnx_exporter *e, const char *x, const char *like, int ndim)
{
	int64_t ones[THAW_MAX_DIMS];
	Onnx__NodeProto *images = thaw_onnx_emit(e, "Shape", &like, 1);
	thaw_onnx_set_int(e, images, "start", 0);
	thaw_onnx_set_int(e, images, "end", 1);
	for (int i = 0; i < ndim; i++)
		ones[i] = 1;
	const char *parts[] = {thaw_onnx_output_of(images), thaw_onnx_emit_ints(e, ones, ndim - 1)};
	Onnx__NodeProto *shape = thaw_onnx_emit(e, "Concat", parts, 2);
	thaw_onnx_set_int(e, shape, "axis", 0);
	return thaw_onnx_emit_two(e, "Expand", x, thaw_onnx_output_of(shape));
}

void thaw_onnx_export_concat(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const int ndim = e->shapes[e->node].ndim;
	const char **x = thaw_onnx_exporter_alloc(e, (size_t)n->input_count, sizeof(*x));
	const char *like = NULL;
	for (int k = 0; x && k < n->input_count; k++) {
		x[k] = thaw_onnx_in(e, n, k, layout);
		like = !like && !e->graph->nodes[n->inputs[k]].fixed ? x[k] : like;
	}
	for (int k = 0; x && like && k < n->input_count; k++)
		if (e->graph->nodes[n->inputs[k]].fixed)
			x[k] = repeat(e, x[k], like, ndim);
	if (!x)
		return;
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Concat", x, n->input_count);
	thaw_onnx_set_int(e, y, "axis", thaw_onnx_layout_axis(layout, ndim, n->attrs.axis));
	thaw_onnx_out(e, layout, thaw_onnx_output_of(y));
}

/* The graph stores indices as floats. */
void thaw_onnx_export_gather(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	const char *indices = thaw_onnx_in(e, n, 1, THAW_ONNX_CHANNELS_LAST);
	Onnx__NodeProto *whole = thaw_onnx_emit(e, "Cast", &indices, 1);
	thaw_onnx_set_int(e, whole, "to", ONNX__TENSOR_PROTO__DATA_TYPE__INT64);
	const char *inputs[] = {thaw_onnx_in(e, n, 0, THAW_ONNX_CHANNELS_LAST), thaw_onnx_output_of(whole)};
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Gather", inputs, 2);
	thaw_onnx_set_int(e, y, "axis", n->attrs.axis);
	thaw_onnx_out(e, THAW_ONNX_CHANNELS_LAST, thaw_onnx_output_of(y));
}

void thaw_onnx_export_pad(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	static const char *const modes[] = {
		[THAW_PAD_CONSTANT] = "constant", [THAW_PAD_REFLECT] = "reflect", [THAW_PAD_EDGE] = "edge"};
	const enum thaw_onnx_layout layout = thaw_onnx_common_layout(e, n);
	const int ndim = e->shapes[e->node].ndim;
	int64_t pads[2 * THAW_MAX_DIMS] = {0};
	for (int axis = 0; axis < ndim; axis++) {
		pads[thaw_onnx_layout_axis(layout, ndim, axis)] = n->attrs.before[axis];
		pads[ndim + thaw_onnx_layout_axis(layout, ndim, axis)] = n->attrs.after[axis];
	}
	const char *inputs[] = {thaw_onnx_in(e, n, 0, layout), thaw_onnx_emit_ints(e, pads, 2 * ndim),
				n->attrs.padding == THAW_PAD_CONSTANT ? thaw_onnx_emit_scalar(e, n->attrs.fill) : ""};
	Onnx__NodeProto *y = thaw_onnx_emit(e, "Pad", inputs, 3);
	thaw_onnx_set_string(e, y, "mode", modes[n->attrs.padding]);
	thaw_onnx_out(e, layout, thaw_onnx_output_of(y));
}

/* Written at its first use, in the layout needed there. */
void thaw_onnx_export_constant(struct thaw_onnx_exporter *e, const struct thaw_node *n)
{
	e->values[e->node].param = n->params[0];
}
