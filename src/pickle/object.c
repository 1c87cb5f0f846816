/* The names of a pickle: those of the vocabulary, opaque objects, and those that are rejected instead. */
#include <string.h>

#include "src/pickle/pickle.h"

/* Modules that run code or reach the system, with all that is in them. Nothing that a pickle names is called, but a
 * file that names these is hostile. */
static const char *const modules[] = {"os",         "posix",    "nt",     "subprocess", "sys",     "socket",
				      "shutil",     "runpy",    "pty",    "importlib",  "pickle",  "_pickle",
				      "webbrowser", "commands", "ctypes", "marshal",    "asyncio", "timeit",
				      "cProfile",   "pdb",      "bdb",    "smtplib",    "ftplib"};

/* Functions of Python's builtins, which also has the classes of ordinary data. */
static const char *const functions[] = {"eval",  "exec",     "compile",    "__import__", "open",
					"input", "execfile", "breakpoint", "exit",       "quit",
					"apply", "globals",  "vars",       "delattr",    "setattr"};

/* Whether `text` is `name`, or begins with it and a dot. */
static bool is_within(struct thaw_pickle_text text, const char *name)
{
	size_t size = strlen(name);
	return text.size >= size && memcmp(text.bytes, name, size) == 0 &&
	       (text.size == size || text.bytes[size] == '.');
}

bool thaw_pickle_runs_code(struct thaw_pickle_text module, struct thaw_pickle_text name)
{
	for (size_t i = 0; i < sizeof(modules) / sizeof(*modules); i++)
		if (is_within(module, modules[i]))
			return true;
	if (!is_within(module, "builtins") && !is_within(module, "__builtin__"))
		return false;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++)
		if (is_within(name, functions[i]))
			return true;
	return false;
}

static bool text_equal(struct thaw_pickle_text text, const char *with)
{
	return text.size == strlen(with) && memcmp(text.bytes, with, text.size) == 0;
}

const struct thaw_pickle_global *thaw_pickle_find_global(const struct thaw_pickle_vocabulary *vocabulary,
							 struct thaw_pickle_text module, struct thaw_pickle_text name)
{
	for (size_t i = 0; i < vocabulary->global_count; i++)
		if (text_equal(module, vocabulary->globals[i].module) && text_equal(name, vocabulary->globals[i].name))
			return &vocabulary->globals[i];
	return NULL;
}

struct thaw_pickle_value *thaw_pickle_new_object(struct thaw_pickle *p, struct thaw_pickle_text module,
						 struct thaw_pickle_text name)
{
	struct thaw_pickle_value *v = thaw_pickle_new(p, THAW_PICKLE_OBJECT);
	if (!v)
		return NULL;
	v->object = thaw_pickle_alloc(p, 1, sizeof(*v->object));
	if (!v->object)
		return NULL;
	v->object->module = module;
	v->object->name = name;
	return v;
}
