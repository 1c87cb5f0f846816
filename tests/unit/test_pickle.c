/* The pickle reader: small hand-written pickles, each invalid in one way, in a .pth file of the stream form. */
#include "tests/scratch.h"

#include "thaw/weights.h"

/* Parses a stream-form file of this pickle of objects, followed by the keys and the storages in `after`. */
static thaw_status parse_stream(const char *pickle, size_t size, const char *after, size_t after_size)
{
	static const char before[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
				     "\x80\x02M\xe9\x03."
				     "\x80\x02}X\x0d\0\0\0little_endian\x88s.";
	size_t n = sizeof(before) - 1;
	char *bytes = malloc(n + size + after_size);
	struct thaw_weights w = {0};
	memcpy(bytes, before, n);
	memcpy(bytes + n, pickle, size);
	memcpy(bytes + n + size, after, after_size);
	thaw_status status = thaw_weights_parse(&w, bytes, n + size + after_size, "stream");
	thaw_weights_free(&w);
	free(bytes);
	return status;
}

/* The same with no storages. */
static thaw_status parse_pickle(const char *pickle, size_t size)
{
	return parse_stream(pickle, size, "\x80\x02].", 4);
}

/* Opcodes of ('storage', torch.FloatStorage, '0', 'cpu', 4, None), and of a tensor of this storage. */
#define STORAGE "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4NtQ"
#define TENSOR(offset, shape, stride) \
	"\x80\x02}X\1\0\0\0wctorch._utils\n_rebuild_tensor\n(" STORAGE offset shape stride "tRs."

static void test_hostile_pickles(void **state)
{
	(void)state;
#define P(text) text, sizeof(text) - 1
	static const struct {
		const char *pickle;
		size_t size;
		const char *words;
	} cases[] = {
		{P(TENSOR("K\0", "K\4\x85", "K\1\x85")), "a storage is missing"}, /* valid except for its data */
		{P(TENSOR("K\1", "K\4\x85", "K\1\x85")), "larger than its storage"},
		{P(TENSOR("K\0", "K\2\x85", "K\4\x85")), "larger than its storage"},
		{P(TENSOR("K\0", "J\0\0\0\x40\x85", "K\0\x85")),
		 "larger than its storage"}, /* one element, 2^30 times */
		{P(TENSOR("K\5", "K\0\x85", "K\1\x85")), "larger than its storage"},
		{P(TENSOR("K\0", "K\4\x85", "K\1K\1\x86")), "differ in length"},
		{P(TENSOR("J\xff\xff\xff\xff", "K\4\x85", "K\1\x85")), "extent"},
		{P(TENSOR("K\0", "J\xff\xff\xff\xff\x85", "K\1\x85")), "whole number"},
		{P(TENSOR("K\0", "K\3\x85", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85")), "larger"},
		{P(TENSOR("K\0", "K\2K\2\x86", "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\1\x86")), "larger"},
		{P(TENSOR("K\0", "(K\1K\1K\1K\1K\1K\1K\1K\1K\1t", "K\1\x85")), "dimensions"},
		{P("\x80\x02]K\1K\2s."), "not a dict"},              /* SETITEM on a list */
		{P("\x80\x02]K\1K\2\x86RK\1."), "cannot be called"}, /* REDUCE of a list */
		{P("\x80\x02}K\1a."), "not a list"},                 /* APPEND to a dict */
		{P("\x80\x02)K\1a."), "not a list"},                 /* and to a tuple */
		{P("\x80\x02]}b."), "not a dict"},                   /* BUILD of a list */
		{P("\x80\x02}(K\1u."), "no value"},                  /* odd SETITEMS */
		{P("\x80\x02h\0."), "no such entry"},                /* GET of nothing */
		{P("\x80\x02}r\xff\xff\xff\xff."), "gap"},           /* a huge memo */
		{P("\x80\x02."), "operand"},                         /* an empty stack */
		{P("\x80\x02(."), "operand"},                        /* a mark as a value */
		{P("\x80\x02u."), "mark"},
		{P("\x80\x02}}."), "left on the stack"},
		{P("\x80\x09}."), "protocol"},
		{P("\x80\x02"
		   "cos\nsystem\nX\2\0\0\0id\x85R."),
		 "os.system"},
		{P("\x80\x04\x8c\2os\x8c\6system\x93."), "os.system"},
		{P("\x80\x02"
		   "ctorch\nFloatStorage\n)R."),
		 "cannot be called"},
		{P("\x80\x02"
		   "cos\nsys\x1b[1m\n)R."),
		 "os.sys?[1m"},
		{P("\x80\x02"
		   "ccollections\nOrderedDict\nNb."),
		 "not a dict"},
		{P("\x80\x02K\1Q."), "described by"},
		{P("\x80\x02"
		   "ccollections\nOrderedDict\n)\x81."),
		 "no dict of tensors"}, /* NEWOBJ */
		{P("\x80\x02K\1)\x81."), "cannot be called"},
		{P("\x80\x02"
		   "cargparse\nNamespace\nK\1R."),
		 "tuple of arguments"},
		{P("\x80\x02"
		   "cbuiltins\neval\n."),
		 "builtins.eval"},
		{P("\x80\x02"
		   "csubprocess\nPopen\n."),
		 "subprocess.Popen"},
		{P("\x80\x04]\x90."), "mark"},
		{P("\x80\x04](K\1\x90."), "not a set"}, /* ADDITEMS to a list */
		{P("\x80\x02"
		   "0."),
		 "operand"}, /* POP of nothing */
		{P("\x80\x02S'a'\n."), "opcode 0x53"},
		{P("\x80\x02X\xff\xff\xff\xff."), "truncated pickle"},
		{P("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff."), "truncated pickle"},
		{P("\x80\x02\x8b\xff\xff\xff\xff."), "truncated pickle"},
		{P("\x80\x02}q\0(h\0h\0u."), "no dict of tensors"}, /* a dict that contains itself */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse_pickle(cases[i].pickle, cases[i].size), THAW_DATA);
		if (!strstr(thaw_error_message(), cases[i].words))
			fail_msg("pickle %d: \"%s\" does not say \"%s\"", (int)i, thaw_error_message(), cases[i].words);
	}
#undef P
}

static void test_hostile_storages(void **state)
{
	(void)state;
#define P(text)  text, sizeof(text) - 1
#define ENTRY    "X\1\0\0\0wctorch._utils\n_rebuild_tensor\n(" STORAGE "K\0K\4\x85K\1\x85tR"
#define KEY      "X\1\0\0\0000"
#define COUNT(n) n "\0\0\0\0\0\0\0"
#define DATA     "0123456789abcdef"
	static const char good[] = "\x80\x02]" KEY "a." COUNT("\4") DATA;
	static const char doubled[] = "\x80\x02}(" ENTRY ENTRY "u.";
	static const char two_types[] =
		"\x80\x02}(" ENTRY "X\1\0\0\0v(X\7\0\0\0storagectorch\nDoubleStorage\n" KEY "X\3\0\0\0cpuK\4NtQu.";
	static const char two_sizes[] =
		"\x80\x02}(" ENTRY "X\1\0\0\0v(X\7\0\0\0storagectorch\nFloatStorage\n" KEY "X\3\0\0\0cpuK\5NtQu.";
	static const char single[] = "\x80\x02}(" ENTRY "u.";
	static const struct {
		const char *after;
		size_t size;
		const char *words;
	} cases[] = {
		{P("\x80\x02]" KEY "a." COUNT("\5") DATA "0123"), "does not match"},
		{P("\x80\x02]" KEY "a." COUNT("\3") "0123456789ab"), "does not match"},
		{P("\x80\x02]" KEY "a." COUNT("\4") "0123"), "truncated tensors"},
		{P("\x80\x02]" KEY "a.\4"), "truncated tensors"},
		{P("\x80\x02](" KEY KEY "e." COUNT("\4") DATA COUNT("\4") DATA), "or is repeated"},
		{P("\x80\x02](" KEY "X\1\0\0\0001e." COUNT("\4") DATA COUNT("\4") DATA), "not named by the pickle"},
		{P("\x80\x02]K\1a." COUNT("\4") DATA), "not named by the pickle"},
		{P("\x80\x02}."), "list of storages"},
		{P("\x80\x02]" KEY "a." COUNT("\4") DATA "x"), "1 bytes after"},
	};
	assert_int_equal(parse_stream(P(single), P(good)), THAW_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(parse_stream(P(single), cases[i].after, cases[i].size), THAW_DATA);
		if (!strstr(thaw_error_message(), cases[i].words))
			fail_msg("case %d: \"%s\" does not say \"%s\"", (int)i, thaw_error_message(), cases[i].words);
	}
	/* The stride of an axis of length 1 is not used, so it may have any value. */
	static const char unused_stride[] =
		TENSOR("K\0", "K\2K\2K\1\x87", "K\1K\2\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x87");
	assert_int_equal(parse_stream(P(unused_stride), P(good)), THAW_OK);
	/* A storage with two types or sizes would be read beyond its end. */
	assert_int_equal(parse_stream(P(two_types), P(good)), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "two types or sizes"));
	assert_int_equal(parse_stream(P(two_sizes), P(good)), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "two types or sizes"));
	assert_int_equal(parse_stream(P(doubled), P(good)), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "two tensors are named w"));
#undef P
}

/* One byte of a pickle can create an object of many bytes. */
static void test_memory_is_bounded(void **state)
{
	(void)state;
	size_t n = (size_t)16 << 20;
	char *bytes = malloc(n);
	memset(bytes, '}', n);
	memcpy(bytes, "\x80\x02", 2);
	assert_int_equal(parse_pickle(bytes, n), THAW_DATA);
	assert_non_null(strstr(thaw_error_message(), "larger than that of a state dict"));
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_pickles),
		cmocka_unit_test(test_hostile_storages),
		cmocka_unit_test(test_memory_is_bounded),
	};
	return cmocka_run_group_tests_name("pickle", tests, NULL, NULL);
}
