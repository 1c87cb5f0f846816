/* Tensors of an ONNX model.
 *
 * The values of a tensor are in one of three places: raw_data (the elements in little-endian memory order), a typed
 * list (float_data, int32_data, ...; int32_data also holds the small types, one number per element, F16 and BF16 by
 * their bits), or external data. */
#include "src/onnx/wire/tensor.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/try.h"
#include "thaw/memory.h"

/* The supported types. */
static const int32_t onnx_types[] = {
	[THAW_F32] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,     [THAW_F16] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
	[THAW_BF16] = ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16, [THAW_F64] = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
	[THAW_I8] = ONNX__TENSOR_PROTO__DATA_TYPE__INT8,       [THAW_U8] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
	[THAW_I16] = ONNX__TENSOR_PROTO__DATA_TYPE__INT16,     [THAW_I32] = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
	[THAW_I64] = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,     [THAW_BOOL] = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
};
static_assert(sizeof(onnx_types) / sizeof(*onnx_types) == THAW_DTYPES, "one per type");

bool thaw_onnx_type(int32_t onnx, enum thaw_dtype *type)
{
	for (int i = 0; i < THAW_DTYPES; i++) {
		if (onnx_types[i] == onnx) {
			*type = (enum thaw_dtype)i;
			return true;
		}
	}
	return false;
}

const char *thaw_onnx_type_name(int32_t onnx)
{
	const ProtobufCEnumValue *value =
		protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, onnx);
	return value ? value->name : "UNDEFINED";
}

int32_t thaw_onnx_type_of(enum thaw_dtype type)
{
	return onnx_types[type];
}

/* A tensor being read. */
struct reading {
	struct thaw_onnx_tensor *t;
	const Onnx__TensorProto *p;
	const struct thaw_onnx_file *f;
	size_t count, bytes;
};

static thaw_status fail_tensor(const struct reading *r, const char *what)
{
	return thaw_fail(THAW_DATA, "damaged ONNX tensor: %s: %s: %s: export it again", r->f->path, r->t->name, what);
}

static thaw_status read_type(struct reading *r)
{
	if (r->p->segment)
		return fail_tensor(r, "segmented tensors are not supported");
	if (!r->p->has_data_type || !thaw_onnx_type(r->p->data_type, &r->t->type))
		return thaw_fail(THAW_DATA, "unsupported ONNX tensor: %s: %s: elements of type %s (%d): %s", r->f->path,
				 r->t->name, thaw_onnx_type_name(r->p->data_type), (int)r->p->data_type,
				 "export the model in float32");
	return THAW_OK;
}

static thaw_status read_shape(struct reading *r)
{
	struct thaw_shape *shape = &r->t->shape;
	if (r->p->n_dims > THAW_MAX_DIMS)
		return thaw_fail(THAW_DATA, "unsupported ONNX tensor: %s: %s: %zu dimensions, at most %d are supported",
				 r->f->path, r->t->name, r->p->n_dims, THAW_MAX_DIMS);
	shape->ndim = (int)r->p->n_dims;
	for (int i = 0; i < shape->ndim; i++)
		shape->dim[i] = r->p->dims[i];
	thaw_status status = thaw_shape_check(shape, r->t->name);
	if (status != THAW_OK)
		return thaw_fail_in(status, "damaged ONNX tensor: %s", r->f->path);
	r->count = (size_t)thaw_shape_count(shape);
	r->bytes = r->count * thaw_dtype_size(r->t->type); /* cannot overflow: thaw_shape_check */
	return THAW_OK;
}

/* THAW_DATA unless present == needed, the amount that the shape needs. */
static thaw_status expect(const struct reading *r, size_t present, size_t needed, const char *what)
{
	if (present == needed)
		return THAW_OK;
	return thaw_fail(THAW_DATA,
			 "damaged ONNX tensor: %s: %s: its shape needs %zu %s, there are %zu: export it again",
			 r->f->path, r->t->name, needed, what, present);
}

/* Converts int32_data to a smaller type by the low bits of each element. */
static thaw_status narrow_int32(struct reading *r)
{
	size_t size = thaw_dtype_size(r->t->type);
	char *to = thaw_alloc(r->count, size);
	if (!to)
		return THAW_RESOURCE;
	for (size_t i = 0; i < r->count; i++) {
		uint32_t value = (uint32_t)r->p->int32_data[i];
		for (size_t byte = 0; byte < size; byte++)
			to[i * size + byte] = (char)(value >> 8 * byte);
	}
	r->t->owned = to;
	r->t->data = to;
	return THAW_OK;
}

static thaw_status read_list(struct reading *r)
{
	const Onnx__TensorProto *p = r->p;
	switch (r->t->type) {
	case THAW_F32:
		r->t->data = p->float_data;
		return expect(r, p->n_float_data, r->count, "elements");
	case THAW_F64:
		r->t->data = p->double_data;
		return expect(r, p->n_double_data, r->count, "elements");
	case THAW_I64:
		r->t->data = p->int64_data;
		return expect(r, p->n_int64_data, r->count, "elements");
	case THAW_I32:
		r->t->data = p->int32_data;
		return expect(r, p->n_int32_data, r->count, "elements");
	default:
		THAW_TRY(expect(r, p->n_int32_data, r->count, "elements"));
		return narrow_int32(r);
	}
}

/* *value = the decimal number `text`. */
static thaw_status parse_number(const struct reading *r, const char *text, uint64_t *value)
{
	char *end;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
		return fail_tensor(r, "offset or length of its external data is not a number");
	*value = v;
	return THAW_OK;
}

static thaw_status read_external(struct reading *r)
{
	const char *location = NULL;
	uint64_t offset = 0, length = r->bytes; /* default length: what the shape needs */
	for (size_t i = 0; i < r->p->n_external_data; i++) {
		const Onnx__StringStringEntryProto *entry = r->p->external_data[i];
		const char *key = entry->key ? entry->key : "", *value = entry->value ? entry->value : "";
		if (strcmp(key, "location") == 0)
			location = value;
		else if (strcmp(key, "offset") == 0)
			THAW_TRY(parse_number(r, value, &offset));
		else if (strcmp(key, "length") == 0)
			THAW_TRY(parse_number(r, value, &length));
	}
	if (!location)
		return fail_tensor(r, "its external data has no location");
	if (!r->f->external)
		return fail_tensor(r, "it has external data, but the model was not read from a file");
	THAW_TRY(expect(r, length, r->bytes, "bytes"));
	thaw_status status = thaw_onnx_external_map(r->f->external, location, offset, length, &r->t->data);
	return status == THAW_OK ? THAW_OK : thaw_fail_in(status, "cannot read ONNX tensor: %s", r->t->name);
}

static thaw_status read_data(struct reading *r)
{
	if (r->p->has_data_location && r->p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL)
		return read_external(r);
	if (!r->p->has_raw_data)
		return read_list(r);
	r->t->data = r->p->raw_data.data;
	return expect(r, r->p->raw_data.len, r->bytes, "bytes");
}

thaw_status thaw_onnx_tensor_read(struct thaw_onnx_tensor *t, const Onnx__TensorProto *p,
				  const struct thaw_onnx_file *f)
{
	struct thaw_onnx_tensor new = {.name = p->name ? p->name : ""};
	struct reading r = {.t = &new, .p = p, .f = f};
	THAW_TRY(read_type(&r));
	THAW_TRY(read_shape(&r));
	THAW_TRY(read_data(&r));
	if (!new.data)
		new.data = ""; /* no elements */
	*t = new;
	return THAW_OK;
}

void thaw_onnx_tensor_free(struct thaw_onnx_tensor *t)
{
	thaw_free(t->owned);
	*t = (struct thaw_onnx_tensor){0};
}
