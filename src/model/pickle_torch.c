/* The classes and functions of a state dict that a pickle may name; all others are opaque.
 *
 * Calling one of them only fills a struct from validated arguments.
 */
#include <string.h>

#include "src/base/try.h"
#include "src/model/pickle_torch.h"

static thaw_status damaged(const struct thaw_pickle *p, const char *what)
{
	return thaw_fail(THAW_DATA, "damaged pickle: %s: %s", p->file, what);
}

/* An object of a training checkpoint that is not needed here. */
static thaw_status call_ignored(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
				const struct thaw_pickle_value **result)
{
	(void)arguments;
	*result = thaw_pickle_new(p, THAW_PICKLE_NONE);
	return *result ? THAW_OK : p->failed;
}

/* defaultdict(factory) gives an empty dict. */
static thaw_status call_default_dict(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
				     const struct thaw_pickle_value **result)
{
	(void)arguments;
	*result = thaw_pickle_new(p, THAW_PICKLE_DICT);
	return *result ? THAW_OK : p->failed;
}

/* OrderedDict() or, from Python 2, OrderedDict([[key, value], ...]). */
static thaw_status call_ordered_dict(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
				     const struct thaw_pickle_value **result)
{
	if (arguments->count > 1 || (arguments->count == 1 && arguments->items[0]->kind != THAW_PICKLE_LIST))
		return damaged(p, "invalid arguments of OrderedDict");
	struct thaw_pickle_value *dict = thaw_pickle_new(p, THAW_PICKLE_DICT);
	if (!dict)
		return p->failed;
	const struct thaw_pickle_list *pairs = arguments->count == 1 ? arguments->items[0]->list : arguments;
	for (size_t i = 0; i < pairs->count; i++) {
		const struct thaw_pickle_value *pair = pairs->items[i];
		if ((pair->kind != THAW_PICKLE_LIST && pair->kind != THAW_PICKLE_TUPLE) || pair->list->count != 2)
			return damaged(p, "an item of an OrderedDict is not a pair");
		THAW_TRY(thaw_pickle_append(p, dict->list, pair->list->items[0]));
		THAW_TRY(thaw_pickle_append(p, dict->list, pair->list->items[1]));
	}
	*result = dict;
	return THAW_OK;
}

/* Reads a tuple or list of *n non-negative integers into to[THAW_MAX_DIMS]. */
static thaw_status read_sizes(const struct thaw_pickle *p, const struct thaw_pickle_value *v, int64_t *to, int *n)
{
	if (v->kind != THAW_PICKLE_TUPLE && v->kind != THAW_PICKLE_LIST)
		return damaged(p, "the shape of a tensor is not a tuple");
	if (v->list->count > THAW_MAX_DIMS)
		return damaged(p, "a tensor has too many dimensions");
	*n = (int)v->list->count;
	for (int i = 0; i < *n; i++) {
		if (v->list->items[i]->kind != THAW_PICKLE_INT || v->list->items[i]->integer < 0)
			return damaged(p, "a dimension or stride of a tensor is not a whole number");
		to[i] = v->list->items[i]->integer;
	}
	return THAW_OK;
}

/* THAW_DATA unless all elements are within the storage. The number of elements is limited too, since strides of 0 would
 * otherwise turn one stored element into any amount of memory. */
static thaw_status check_extent(const struct thaw_pickle *p, const struct thaw_pickle_tensor *t)
{
	THAW_TRY(thaw_shape_check(&t->shape, p->file));
	int64_t count = thaw_shape_count(&t->shape), last = t->offset;
	bool overflow = false;
	for (int i = 0; i < t->shape.ndim && count > 0; i++) {
		int64_t reach;
		overflow |= __builtin_mul_overflow(t->shape.dim[i] - 1, t->stride[i], &reach);
		overflow |= __builtin_add_overflow(last, reach, &last);
	}
	if (overflow || t->offset > t->storage->count || count > t->storage->count ||
	    (count > 0 && last >= t->storage->count))
		return damaged(p, "a tensor is larger than its storage");
	return THAW_OK;
}

/* A tensor whose elements Thaw cannot read: opaque, with the type's name as its class. */
static thaw_status make_unreadable(struct thaw_pickle *p, const struct thaw_pickle_value *type,
				   const struct thaw_pickle_value **result)
{
	struct thaw_pickle_value *v = thaw_pickle_new_object(p, type->object->module, type->object->name);
	if (!v)
		return p->failed;
	v->object->tensor = true;
	*result = v;
	return THAW_OK;
}

/* _rebuild_tensor(storage, offset, size, stride), and v2 with requires_grad, hooks and optional metadata. */
static thaw_status call_rebuild_tensor(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
				       const struct thaw_pickle_value **result)
{
	const struct thaw_pickle_value **a = arguments->items;
	if (arguments->count > 0 && a[0]->kind == THAW_PICKLE_OBJECT)
		return make_unreadable(p, a[0], result);
	if (arguments->count < 4 || arguments->count > 7 || a[0]->kind != THAW_PICKLE_STORAGE ||
	    a[1]->kind != THAW_PICKLE_INT || a[1]->integer < 0)
		return damaged(p, "invalid arguments of a tensor: expected a storage and its extent");
	struct thaw_pickle_value *v = thaw_pickle_new(p, THAW_PICKLE_TENSOR);
	struct thaw_pickle_tensor *t = v ? thaw_pickle_alloc(p, 1, sizeof(*t)) : NULL;
	if (!t)
		return p->failed;
	t->storage = a[0]->storage;
	t->offset = a[1]->integer;
	int strides = 0;
	THAW_TRY(read_sizes(p, a[2], t->shape.dim, &t->shape.ndim));
	THAW_TRY(read_sizes(p, a[3], t->stride, &strides));
	if (strides != t->shape.ndim)
		return damaged(p, "the shape and strides of a tensor differ in length");
	THAW_TRY(check_extent(p, t));
	/* Strides of axes of length 1 are never used; setting them to 0 prevents overflow in later sums. */
	for (int i = 0; i < t->shape.ndim; i++)
		if (t->shape.dim[i] <= 1)
			t->stride[i] = 0;
	v->tensor = t;
	*result = v;
	return THAW_OK;
}

/* _rebuild_tensor_v3(storage, offset, size, stride, requires_grad, hooks, dtype, metadata) is for the element types
 * that torch got later, such as torch.float8_e4m3fn; Thaw reads none of them. */
static thaw_status call_rebuild_new_type(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
					 const struct thaw_pickle_value **result)
{
	if (arguments->count < 7 || arguments->items[6]->kind != THAW_PICKLE_OBJECT)
		return damaged(p, "invalid arguments of a tensor: expected its element type");
	return make_unreadable(p, arguments->items[6], result);
}

/* _rebuild_from_type_v2(function, class, arguments, state) makes a tensor of a derived class. */
static thaw_status call_rebuild_derived(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
					const struct thaw_pickle_value **result)
{
	const struct thaw_pickle_value **a = arguments->items;
	if (arguments->count < 3 || a[2]->kind != THAW_PICKLE_TUPLE)
		return damaged(p, "invalid arguments of a tensor of a derived class");
	if (a[0]->kind == THAW_PICKLE_GLOBAL && a[0]->global->call == call_rebuild_tensor)
		return call_rebuild_tensor(p, a[2]->list, result);
	return a[1]->kind == THAW_PICKLE_OBJECT ? make_unreadable(p, a[1], result) : call_ignored(p, arguments, result);
}

/* Parameter(tensor, ...), in all its variants, gives the tensor. */
static thaw_status call_parameter(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
				  const struct thaw_pickle_value **result)
{
	bool opaque = arguments->count > 0 && arguments->items[0]->kind == THAW_PICKLE_OBJECT;
	if (arguments->count < 1 || arguments->count > 4 ||
	    (!opaque && arguments->items[0]->kind != THAW_PICKLE_TENSOR))
		return damaged(p, "invalid arguments of a parameter: expected a tensor");
	*result = arguments->items[0];
	return THAW_OK;
}

/* torch.Size((2, 3)) gives the tuple. */
static thaw_status call_size(struct thaw_pickle *p, const struct thaw_pickle_list *arguments,
			     const struct thaw_pickle_value **result)
{
	if (arguments->count != 1 || arguments->items[0]->kind != THAW_PICKLE_TUPLE)
		return damaged(p, "invalid arguments of torch.Size: expected a tuple");
	*result = arguments->items[0];
	return THAW_OK;
}

static const struct thaw_pickle_global globals[] = {
	{.module = "collections", .name = "OrderedDict", .call = call_ordered_dict},
	{.module = "collections", .name = "defaultdict", .call = call_default_dict},
	{.module = "torch._utils", .name = "_rebuild_tensor", .call = call_rebuild_tensor},
	{.module = "torch._utils", .name = "_rebuild_tensor_v2", .call = call_rebuild_tensor},
	{.module = "torch._utils", .name = "_rebuild_tensor_v3", .call = call_rebuild_new_type},
	{.module = "torch._tensor", .name = "_rebuild_from_type_v2", .call = call_rebuild_derived},
	{.module = "torch._utils", .name = "_rebuild_parameter", .call = call_parameter},
	{.module = "torch._utils", .name = "_rebuild_parameter_with_state", .call = call_parameter},
	{.module = "torch.nn.parameter", .name = "Parameter", .call = call_parameter},
	{.module = "torch", .name = "Size", .call = call_size},
	{.module = "torch", .name = "device", .call = call_ignored},
	{.module = "torch", .name = "FloatStorage", .dtype = THAW_F32},
	{.module = "torch", .name = "HalfStorage", .dtype = THAW_F16},
	{.module = "torch", .name = "BFloat16Storage", .dtype = THAW_BF16},
	{.module = "torch", .name = "DoubleStorage", .dtype = THAW_F64},
	{.module = "torch", .name = "CharStorage", .dtype = THAW_I8},
	{.module = "torch", .name = "ByteStorage", .dtype = THAW_U8},
	{.module = "torch", .name = "ShortStorage", .dtype = THAW_I16},
	{.module = "torch", .name = "IntStorage", .dtype = THAW_I32},
	{.module = "torch", .name = "LongStorage", .dtype = THAW_I64},
	{.module = "torch", .name = "BoolStorage", .dtype = THAW_BOOL},
	{.module = "torch.storage", .name = "UntypedStorage", .dtype = THAW_U8},
};

static thaw_status add_storage(struct thaw_pickle *p, const struct thaw_pickle_storage *storage)
{
	if (p->storage_count == p->storage_room) {
		size_t room = p->storage_room > 0 ? 2 * p->storage_room : 64;
		const struct thaw_pickle_storage **larger = thaw_pickle_alloc(p, room, sizeof(*larger));
		if (!larger)
			return p->failed;
		for (size_t i = 0; i < p->storage_count; i++)
			larger[i] = p->storages[i];
		p->storages = larger;
		p->storage_room = room;
	}
	p->storages[p->storage_count++] = storage;
	return THAW_OK;
}

/* ('module', class, file, text): in the stream form, the class of a pickled module and its source. */
static bool is_module_source(const struct thaw_pickle_value *id)
{
	return id->kind == THAW_PICKLE_TUPLE && id->list->count == 4 &&
	       thaw_pickle_text_is(id->list->items[0], "module") && id->list->items[1]->kind == THAW_PICKLE_OBJECT;
}

/* ('storage', torch.FloatStorage, key, 'cpu', count); in the stream form followed by None for "not a view". */
static thaw_status open_storage(struct thaw_pickle *p, const struct thaw_pickle_value *id,
				const struct thaw_pickle_value **result)
{
	if (is_module_source(id)) {
		*result = id->list->items[1];
		return THAW_OK;
	}
	if (id->kind != THAW_PICKLE_TUPLE || id->list->count < 5 || id->list->count > 6)
		return damaged(p, "a storage is not described by five or six values");
	const struct thaw_pickle_value **part = id->list->items;
	bool opaque = part[1]->kind == THAW_PICKLE_OBJECT; /* the type of its elements is not supported */
	if (!thaw_pickle_text_is(part[0], "storage") ||
	    (!opaque && (part[1]->kind != THAW_PICKLE_GLOBAL || part[1]->global->call)) ||
	    part[2]->kind != THAW_PICKLE_TEXT || part[3]->kind != THAW_PICKLE_TEXT ||
	    part[4]->kind != THAW_PICKLE_INT || part[4]->integer < 0)
		return damaged(p, "a storage is not described by type, key, location and size");
	if (id->list->count == 6 && part[5]->kind != THAW_PICKLE_NONE)
		return thaw_fail(
			THAW_DATA,
			"refused: %s: it contains views of storages: save it again with a current version of torch",
			p->file);
	if (opaque)
		return make_unreadable(p, part[1], result);
	struct thaw_pickle_value *v = thaw_pickle_new(p, THAW_PICKLE_STORAGE);
	struct thaw_pickle_storage *storage = v ? thaw_pickle_alloc(p, 1, sizeof(*storage)) : NULL;
	if (!storage)
		return p->failed;
	*storage = (struct thaw_pickle_storage){part[2]->text, part[1]->global->dtype, part[4]->integer};
	THAW_TRY(add_storage(p, storage));
	v->storage = storage;
	*result = v;
	return THAW_OK;
}

const struct thaw_pickle_vocabulary thaw_pickle_torch = {
	.kind = "a state dict",
	.remedy = "save only model.state_dict()",
	.globals = globals,
	.global_count = sizeof(globals) / sizeof(*globals),
	.open_storage = open_storage,
};
