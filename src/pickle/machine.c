/* The stack machine that parses a pickle. See pickle.h for its restrictions.
 *
 * Opcodes as in Python's pickletools, protocols 2 to 5. Nothing is recursive, so nesting needs no limit.
 */
#include "src/pickle/pickle.h"

#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"

struct machine {
	struct thaw_pickle *p;
	const unsigned char *bytes;
	size_t size, at;
	struct thaw_pickle_list stack, memo;
	bool stopped;
};

static const struct thaw_pickle_value mark = {.kind = THAW_PICKLE_MARK};
static const struct thaw_pickle_value none = {.kind = THAW_PICKLE_NONE};
static const struct thaw_pickle_value booleans[2] = {{.kind = THAW_PICKLE_BOOL},
						     {.kind = THAW_PICKLE_BOOL, .integer = 1}};

static thaw_status damaged(const struct machine *m, const char *what)
{
	thaw_fail(THAW_DATA, "damaged pickle: %s: %s before byte %zu", m->p->file, what, m->at);
	return THAW_DATA; /* a constant lets the compiler see which outputs are set */
}

/* Consumes the next `size` bytes of the pickle. */
static thaw_status read_bytes(struct machine *m, uint64_t size, const unsigned char **bytes)
{
	if (size > m->size - m->at) {
		thaw_fail(THAW_DATA, "truncated pickle: %s: copy the file again", m->p->file);
		return THAW_DATA;
	}
	*bytes = m->bytes + m->at;
	m->at += (size_t)size;
	return THAW_OK;
}

static thaw_status push(struct machine *m, const struct thaw_pickle_value *v)
{
	return v ? thaw_pickle_append(m->p, &m->stack, v) : m->p->failed;
}

static thaw_status pop(struct machine *m, const struct thaw_pickle_value **v)
{
	if (m->stack.count == 0 || m->stack.items[m->stack.count - 1] == &mark)
		return damaged(m, "an operand is missing");
	*v = m->stack.items[--m->stack.count];
	return THAW_OK;
}

/* Pops everything above the topmost mark, and the mark. *items is valid until the next push. */
static thaw_status pop_to_mark(struct machine *m, const struct thaw_pickle_value ***items, size_t *count)
{
	size_t first = m->stack.count;
	while (first > 0 && m->stack.items[first - 1] != &mark)
		first--;
	if (first == 0)
		return damaged(m, "a mark is missing");
	*items = m->stack.items + first;
	*count = m->stack.count - first;
	m->stack.count = first - 1;
	return THAW_OK;
}

static struct thaw_pickle_text text_of(const char *text)
{
	return (struct thaw_pickle_text){text, strlen(text)};
}

static thaw_status push_opaque(struct machine *m, const char *module, const char *name)
{
	return push(m, thaw_pickle_new_object(m->p, text_of(module), text_of(name)));
}

/* Where items that are set or appended go: the list of the value, or NULL if they are ignored. Opaque objects keep
 * items with keys, since they may be dicts of a derived class. */
static thaw_status find_list(struct machine *m, enum thaw_pickle_kind kind, const struct thaw_pickle_value *to,
			     struct thaw_pickle_list **list)
{
	*list = NULL;
	if (to->kind == kind) {
		*list = to->list;
		return THAW_OK;
	}
	if (to->kind == THAW_PICKLE_OBJECT && kind == THAW_PICKLE_DICT) {
		if (!to->object->items)
			to->object->items = thaw_pickle_alloc(m->p, 1, sizeof(*to->object->items));
		*list = to->object->items;
		return *list ? THAW_OK : m->p->failed;
	}
	if (to->kind != THAW_PICKLE_OBJECT)
		return damaged(m, kind == THAW_PICKLE_DICT ? "items are set on a value that is not a dict"
							   : "items are appended to a value that is not a list");
	return THAW_OK;
}

static thaw_status append_all(struct machine *m, enum thaw_pickle_kind kind, const struct thaw_pickle_value *to,
			      const struct thaw_pickle_value **items, size_t count)
{
	struct thaw_pickle_list *list;
	THAW_TRY(find_list(m, kind, to, &list));
	if (kind == THAW_PICKLE_DICT && count % 2 != 0)
		return damaged(m, "a key has no value");
	if (!list)
		return THAW_OK;
	THAW_TRY(thaw_pickle_reserve(m->p, list, count));
	for (size_t i = 0; i < count; i++)
		list->items[list->count++] = items[i];
	return THAW_OK;
}

/* The opcodes. Each receives the little-endian number that follows the opcode; the table has its width. */

static thaw_status op_proto(struct machine *m, uint64_t version)
{
	return version >= 2 && version <= 5 ? THAW_OK : damaged(m, "an unknown protocol");
}

/* The frame size is a hint for reading from a stream. */
static thaw_status op_frame(struct machine *m, uint64_t size)
{
	(void)m, (void)size;
	return THAW_OK;
}

static thaw_status op_stop(struct machine *m, uint64_t unused)
{
	(void)unused;
	THAW_TRY(pop(m, &m->p->top));
	m->stopped = true;
	return m->stack.count == 0 ? THAW_OK : damaged(m, "values are left on the stack");
}

static thaw_status op_mark(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, &mark);
}

static thaw_status op_none(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, &none);
}

static thaw_status op_true(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, &booleans[1]);
}

static thaw_status op_false(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, &booleans[0]);
}

static thaw_status push_integer(struct machine *m, int64_t integer)
{
	struct thaw_pickle_value *v = thaw_pickle_new(m->p, THAW_PICKLE_INT);
	if (v)
		v->integer = integer;
	return push(m, v);
}

static thaw_status op_unsigned(struct machine *m, uint64_t number)
{
	return push_integer(m, (int64_t)number);
}

static thaw_status op_int32(struct machine *m, uint64_t number)
{
	return push_integer(m, (int32_t)(uint32_t)number);
}

/* Two's complement, little-endian, of any length; length 0 means 0. */
static thaw_status op_long(struct machine *m, uint64_t size)
{
	const unsigned char *bytes;
	THAW_TRY(read_bytes(m, size, &bytes));
	if (size > sizeof(int64_t)) /* a hash or a random state, never the size of a tensor */
		return push_opaque(m, "builtins", "int");
	uint64_t number = size > 0 && bytes[size - 1] & 0x80 ? UINT64_MAX : 0;
	for (size_t i = (size_t)size; i-- > 0;)
		number = number << 8 | bytes[i];
	return push_integer(m, (int64_t)number);
}

/* The only opcode with a big-endian number. */
static thaw_status op_float(struct machine *m, uint64_t bits)
{
	struct thaw_pickle_value *v = thaw_pickle_new(m->p, THAW_PICKLE_FLOAT);
	bits = __builtin_bswap64(bits);
	if (v)
		memcpy(&v->real, &bits, sizeof(bits));
	return push(m, v);
}

static thaw_status push_text(struct machine *m, enum thaw_pickle_kind kind, uint64_t size)
{
	const unsigned char *bytes;
	THAW_TRY(read_bytes(m, size, &bytes));
	struct thaw_pickle_value *v = thaw_pickle_new(m->p, kind);
	if (v)
		v->text = (struct thaw_pickle_text){(const char *)bytes, (size_t)size};
	return push(m, v);
}

static thaw_status op_text(struct machine *m, uint64_t size)
{
	return push_text(m, THAW_PICKLE_TEXT, size);
}

static thaw_status op_bytes(struct machine *m, uint64_t size)
{
	return push_text(m, THAW_PICKLE_BYTES, size);
}

static thaw_status op_empty_list(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, thaw_pickle_new(m->p, THAW_PICKLE_LIST));
}

static thaw_status op_empty_dict(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push(m, thaw_pickle_new(m->p, THAW_PICKLE_DICT));
}

static thaw_status push_tuple(struct machine *m, const struct thaw_pickle_value **items, size_t count)
{
	struct thaw_pickle_value *tuple = thaw_pickle_new(m->p, THAW_PICKLE_TUPLE);
	if (!tuple)
		return m->p->failed;
	THAW_TRY(append_all(m, THAW_PICKLE_TUPLE, tuple, items, count));
	return push(m, tuple);
}

static thaw_status op_empty_tuple(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push_tuple(m, NULL, 0);
}

static thaw_status op_tuple(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items;
	size_t count;
	THAW_TRY(pop_to_mark(m, &items, &count));
	return push_tuple(m, items, count);
}

static thaw_status tuple_of(struct machine *m, int count)
{
	const struct thaw_pickle_value *items[3];
	for (int i = count - 1; i >= 0; i--)
		THAW_TRY(pop(m, &items[i]));
	return push_tuple(m, items, (size_t)count);
}

static thaw_status op_tuple1(struct machine *m, uint64_t unused)
{
	(void)unused;
	return tuple_of(m, 1);
}

static thaw_status op_tuple2(struct machine *m, uint64_t unused)
{
	(void)unused;
	return tuple_of(m, 2);
}

static thaw_status op_tuple3(struct machine *m, uint64_t unused)
{
	(void)unused;
	return tuple_of(m, 3);
}

static thaw_status op_append(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *item, *list;
	THAW_TRY(pop(m, &item));
	THAW_TRY(pop(m, &list));
	THAW_TRY(append_all(m, THAW_PICKLE_LIST, list, &item, 1));
	return push(m, list);
}

static thaw_status op_appends(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items, *list;
	size_t count;
	THAW_TRY(pop_to_mark(m, &items, &count));
	THAW_TRY(pop(m, &list));
	THAW_TRY(append_all(m, THAW_PICKLE_LIST, list, items, count));
	return push(m, list);
}

static thaw_status op_setitem(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *item[2], *dict;
	THAW_TRY(pop(m, &item[1]));
	THAW_TRY(pop(m, &item[0]));
	THAW_TRY(pop(m, &dict));
	THAW_TRY(append_all(m, THAW_PICKLE_DICT, dict, item, 2));
	return push(m, dict);
}

static thaw_status op_setitems(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items, *dict;
	size_t count;
	THAW_TRY(pop_to_mark(m, &items, &count));
	THAW_TRY(pop(m, &dict));
	THAW_TRY(append_all(m, THAW_PICKLE_DICT, dict, items, count));
	return push(m, dict);
}

/* Most picklers number the memo from 0 without gaps, Python 2's cPickle from 1. */
static thaw_status op_put(struct machine *m, uint64_t index)
{
	const struct thaw_pickle_value *v;
	THAW_TRY(pop(m, &v));
	m->stack.count++;
	if (index > m->memo.count + 1)
		return damaged(m, "the memo has a gap");
	while (index >= m->memo.count)
		THAW_TRY(thaw_pickle_append(m->p, &m->memo, &none));
	m->memo.items[index] = v;
	return THAW_OK;
}

static thaw_status op_memoize(struct machine *m, uint64_t unused)
{
	(void)unused;
	return op_put(m, m->memo.count);
}

static thaw_status op_get(struct machine *m, uint64_t index)
{
	return index < m->memo.count ? push(m, m->memo.items[index]) : damaged(m, "the memo has no such entry");
}

static thaw_status push_global(struct machine *m, struct thaw_pickle_text module, struct thaw_pickle_text name)
{
	const struct thaw_pickle_global *global = thaw_pickle_find_global(m->p->vocabulary, module, name);
	if (!global && thaw_pickle_runs_code(module, name)) {
		char module_text[128], name_text[128];
		thaw_text_printable(module_text, sizeof(module_text), module.bytes, module.size);
		thaw_text_printable(name_text, sizeof(name_text), name.bytes, name.size);
		return thaw_fail(THAW_DATA,
				 "refused: %s: it calls %s.%s, which is not part of %s: %s, or do not trust the file",
				 m->p->file, module_text, name_text, m->p->vocabulary->kind, m->p->vocabulary->remedy);
	}
	if (!global)
		return push(m, thaw_pickle_new_object(m->p, module, name));
	struct thaw_pickle_value *v = thaw_pickle_new(m->p, THAW_PICKLE_GLOBAL);
	if (v)
		v->global = global;
	return push(m, v);
}

static thaw_status read_line(struct machine *m, struct thaw_pickle_text *line)
{
	const unsigned char *bytes = m->bytes + m->at, *end = memchr(bytes, '\n', m->size - m->at);
	if (!end)
		return damaged(m, "a name has no end");
	*line = (struct thaw_pickle_text){(const char *)bytes, (size_t)(end - bytes)};
	m->at += line->size + 1;
	return THAW_OK;
}

static thaw_status op_global(struct machine *m, uint64_t unused)
{
	(void)unused;
	struct thaw_pickle_text module, name;
	THAW_TRY(read_line(m, &module));
	THAW_TRY(read_line(m, &name));
	return push_global(m, module, name);
}

static thaw_status op_stack_global(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *module, *name;
	THAW_TRY(pop(m, &name));
	THAW_TRY(pop(m, &module));
	if (module->kind != THAW_PICKLE_TEXT || name->kind != THAW_PICKLE_TEXT)
		return damaged(m, "the name of a global is not a string");
	return push_global(m, module->text, name->text);
}

/* Pushes what the class or function makes. An opaque one is not called: the result is opaque too. */
static thaw_status push_result(struct machine *m, const struct thaw_pickle_value *function,
			       const struct thaw_pickle_value *arguments)
{
	const struct thaw_pickle_value *result = NULL;
	if (arguments->kind != THAW_PICKLE_TUPLE)
		return damaged(m, "a call without a tuple of arguments");
	if (function->kind == THAW_PICKLE_OBJECT) {
		struct thaw_pickle_value *made =
			thaw_pickle_new_object(m->p, function->object->module, function->object->name);
		if (made)
			made->object->arguments = arguments->list;
		return push(m, made);
	}
	if (function->kind != THAW_PICKLE_GLOBAL || !function->global->call)
		return damaged(m, "a call of a value that cannot be called");
	THAW_TRY(function->global->call(m->p, arguments->list, &result));
	return push(m, result);
}

static thaw_status op_reduce(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *arguments, *function;
	THAW_TRY(pop(m, &arguments));
	THAW_TRY(pop(m, &function));
	return push_result(m, function, arguments);
}

/* An object made with keywords. */
static thaw_status op_newobj_ex(struct machine *m, uint64_t unused)
{
	const struct thaw_pickle_value *keywords;
	THAW_TRY(pop(m, &keywords));
	return op_reduce(m, unused);
}

/* The attributes: a dict, or the first of a pair whose second are those of __slots__. */
static const struct thaw_pickle_value *find_attributes(const struct thaw_pickle_value *state)
{
	if (state->kind == THAW_PICKLE_TUPLE && state->list->count == 2)
		state = state->list->items[0];
	return state->kind == THAW_PICKLE_DICT ? state : NULL;
}

/* Sets attributes: kept for opaque objects, ignored for a dict (state_dict() sets some) or a tensor. */
static thaw_status op_build(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *attributes, *object;
	THAW_TRY(pop(m, &attributes));
	THAW_TRY(pop(m, &object));
	if (object->kind == THAW_PICKLE_OBJECT)
		object->object->state = find_attributes(attributes), object->object->raw_state = attributes;
	else if (object->kind != THAW_PICKLE_DICT && object->kind != THAW_PICKLE_TENSOR &&
		 object->kind != THAW_PICKLE_NONE)
		return damaged(m, "attributes are set on a value that is not a dict");
	return push(m, object);
}

static thaw_status op_empty_set(struct machine *m, uint64_t unused)
{
	(void)unused;
	return push_opaque(m, "builtins", "set");
}

static thaw_status op_frozen_set(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items;
	size_t count;
	THAW_TRY(pop_to_mark(m, &items, &count));
	return push_opaque(m, "builtins", "frozenset");
}

/* The items of a set are not needed. */
static thaw_status op_add_items(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items, *set;
	size_t count;
	THAW_TRY(pop_to_mark(m, &items, &count));
	THAW_TRY(pop(m, &set));
	return set->kind == THAW_PICKLE_OBJECT ? push(m, set)
					       : damaged(m, "items are added to a value that is not a set");
}

/* Tuples and sets that contain themselves need POP and POP_MARK. */
static thaw_status op_pop(struct machine *m, uint64_t unused)
{
	(void)unused;
	if (m->stack.count == 0)
		return damaged(m, "an operand is missing");
	m->stack.count--;
	return THAW_OK;
}

static thaw_status op_pop_mark(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value **items;
	size_t count;
	return pop_to_mark(m, &items, &count);
}

static thaw_status op_persistent_id(struct machine *m, uint64_t unused)
{
	(void)unused;
	const struct thaw_pickle_value *id, *storage = NULL;
	THAW_TRY(pop(m, &id));
	if (!m->p->vocabulary->open_storage)
		return damaged(m, "a reference to something outside of the file");
	THAW_TRY(m->p->vocabulary->open_storage(m->p, id, &storage));
	return push(m, storage);
}

/* The allowed opcodes, by their byte. `width` is the size in bytes of the number that follows. */
static const struct {
	thaw_status (*run)(struct machine *m, uint64_t number);
	int width;
} opcodes[256] = {
	[0x80] = {op_proto, 1},        [0x95] = {op_frame, 8},     ['.'] = {op_stop, 0},
	['('] = {op_mark, 0},          ['N'] = {op_none, 0},       [0x88] = {op_true, 0},
	[0x89] = {op_false, 0},        ['K'] = {op_unsigned, 1},   ['M'] = {op_unsigned, 2},
	['J'] = {op_int32, 4},         [0x8a] = {op_long, 1},      [0x8b] = {op_long, 4},
	['G'] = {op_float, 8},         ['X'] = {op_text, 4},       [0x8c] = {op_text, 1},
	[0x8d] = {op_text, 8},         ['T'] = {op_text, 4}, /* Python 2 strings */
	['U'] = {op_text, 1},          ['B'] = {op_bytes, 4},      ['C'] = {op_bytes, 1},
	[0x8e] = {op_bytes, 8},        [']'] = {op_empty_list, 0}, ['}'] = {op_empty_dict, 0},
	[')'] = {op_empty_tuple, 0},   ['t'] = {op_tuple, 0},      [0x85] = {op_tuple1, 0},
	[0x86] = {op_tuple2, 0},       [0x87] = {op_tuple3, 0},    ['a'] = {op_append, 0},
	['e'] = {op_appends, 0},       ['s'] = {op_setitem, 0},    ['u'] = {op_setitems, 0},
	['q'] = {op_put, 1},           ['r'] = {op_put, 4},        [0x94] = {op_memoize, 0},
	['h'] = {op_get, 1},           ['j'] = {op_get, 4},        ['c'] = {op_global, 0},
	[0x93] = {op_stack_global, 0}, ['R'] = {op_reduce, 0},     ['b'] = {op_build, 0},
	['Q'] = {op_persistent_id, 0}, [0x81] = {op_reduce, 0}, /* NEWOBJ */
	[0x92] = {op_newobj_ex, 0},    [0x8f] = {op_empty_set, 0}, [0x90] = {op_add_items, 0},
	[0x91] = {op_frozen_set, 0},   ['0'] = {op_pop, 0},        ['1'] = {op_pop_mark, 0},
	[0x96] = {op_bytes, 8}, /* bytearray */
};

static thaw_status run_opcode(struct machine *m)
{
	const unsigned char *opcode, *bytes;
	THAW_TRY(read_bytes(m, 1, &opcode));
	if (!opcodes[*opcode].run)
		return thaw_fail(THAW_DATA, "refused: %s: opcode 0x%02x at byte %zu of the pickle is not used by %s",
				 m->p->file, *opcode, m->at - 1, m->p->vocabulary->kind);
	int width = opcodes[*opcode].width;
	THAW_TRY(read_bytes(m, (uint64_t)width, &bytes));
	uint64_t number = 0;
	for (int i = width - 1; i >= 0; i--)
		number = number << 8 | bytes[i];
	return opcodes[*opcode].run(m, number);
}

thaw_status thaw_pickle_parse(struct thaw_pickle *p, const struct thaw_pickle_vocabulary *vocabulary,
			      const unsigned char *bytes, size_t size, const char *file)
{
	struct thaw_pickle parsed = {.file = file, .vocabulary = vocabulary};
	struct machine m = {.p = &parsed, .bytes = bytes, .size = size};
	thaw_status status = THAW_OK;
	while (status == THAW_OK && !m.stopped)
		status = run_opcode(&m);
	if (status != THAW_OK) {
		thaw_pickle_free(&parsed);
		return status;
	}
	parsed.used = m.at;
	*p = parsed;
	return THAW_OK;
}
