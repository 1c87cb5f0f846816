#include "src/ops/kernels/broadcast.h"

#include "src/base/minmax.h"

thaw_status thaw_broadcast_shape(const struct thaw_shape x[2], struct thaw_shape *y, const char *op)
{
	bool fit = x[0].ndim == x[1].ndim && x[0].ndim > 0;
	*y = x[0];
	for (int i = 0; fit && i < y->ndim; i++) {
		fit = x[0].dim[i] == x[1].dim[i] || x[0].dim[i] == 1 || x[1].dim[i] == 1;
		y->dim[i] = x[0].dim[i] == 1 ? x[1].dim[i] : x[0].dim[i];
	}
	if (!fit) {
		char a[THAW_SHAPE_TEXT], b[THAW_SHAPE_TEXT];
		return thaw_fail(THAW_CONFIG, "shapes %s and %s do not fit: %s: give sizes that are equal or 1",
				 thaw_shape_text(&x[0], a, sizeof(a)), thaw_shape_text(&x[1], b, sizeof(b)), op);
	}
	return THAW_OK;
}

/* Appends an axis along which tensor k has elements if present[k], else is repeated. Merges it with the axis before if
 * the same tensors are present. */
static void append_axis(struct thaw_broadcast *b, int64_t size, const bool present[2])
{
	int last = b->ndim - 1;
	if (last >= 0 && b->step[0][last] == present[0] && b->step[1][last] == present[1]) {
		b->size[last] *= size;
		return;
	}
	b->size[b->ndim] = size;
	for (int k = 0; k < 2; k++) {
		b->step[k][b->ndim] = present[k];
		b->repeated[k] |= !present[k];
	}
	b->ndim++;
}

struct thaw_broadcast thaw_broadcast_of(const struct thaw_shape *x0, const struct thaw_shape *x1)
{
	const bool both[2] = {true, true};
	struct thaw_broadcast b = {0};
	for (int i = 0; i < x0->ndim; i++) {
		const bool present[2] = {x0->dim[i] != 1, x1->dim[i] != 1};
		if (present[0] || present[1])
			append_axis(&b, present[0] ? x0->dim[i] : x1->dim[i], present);
	}
	if (b.ndim == 0)
		append_axis(&b, 1, both);
	if (b.ndim == 1) { /* one row */
		b.size[1] = b.size[0];
		b.step[0][1] = b.step[0][0];
		b.step[1][1] = b.step[1][0];
		b.size[0] = 1;
		b.ndim = 2;
	}
	for (int k = 0; k < 2; k++)
		for (int64_t i = b.ndim - 1, floats = 1; i >= 0; i--)
			if (b.step[k][i]) {
				b.step[k][i] = floats;
				floats *= b.size[i];
			}
	return b;
}

/* Moves on by `count` along an axis; at its end, to the next index of the axis before it. */
static void advance_axis(struct thaw_broadcast *b, int axis, int64_t count)
{
	b->at[axis] += count;
	for (; axis > 0 && b->at[axis] == b->size[axis]; axis--) {
		b->at[axis] = 0;
		b->at[axis - 1]++;
	}
}

bool thaw_broadcast_next(struct thaw_broadcast *b, struct thaw_block *block)
{
	int columns = b->ndim - 1, rows = b->ndim - 2;
	int64_t rest = b->size[columns] - b->at[columns];
	bool whole_rows = b->size[columns] <= THAW_BLOCK_FLOATS;
	for (int i = 0; i < b->ndim; i++)
		if (b->at[0] == b->size[0] || b->size[i] == 0)
			return false;
	*block = (struct thaw_block){.rows = 1, .columns = min_int64(rest, THAW_BLOCK_FLOATS), .from = b->done};
	if (whole_rows)
		block->rows = min_int64(b->size[rows] - b->at[rows], THAW_BLOCK_FLOATS / b->size[columns]);
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < b->ndim; i++)
			block->first[k] += b->at[i] * b->step[k][i];
		block->row[k] = b->step[k][rows];
		block->column[k] = b->step[k][columns] != 0;
	}
	b->done += block->rows * block->columns;
	if (whole_rows)
		advance_axis(b, rows, block->rows);
	else
		advance_axis(b, columns, block->columns);
	return true;
}
