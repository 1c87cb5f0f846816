/* Resolving options: collects texts from flags, environment and files, then parses them by type.
 *
 * The flags are not scanned by getopt_long: it accepts any unique prefix of a name ("--lab" for --label-smoothing), so
 * that adding a flag could break existing scripts, and it keeps global state. */
#include "src/cli/settings.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/text.h"
#include "src/base/try.h"
#include "src/cli/common_options.h"
#include "src/cli/option_value.h"
#include "src/cli/plan_flags.h"
#include "src/cli/suggest.h"
#include "src/cli/wrap.h"
#include "thaw/memory.h"

#define NAME_SIZE    64  /* bytes of an environment variable's name */
#define PLACE_SIZE   512 /* bytes of a text such as "--lr abc"; longer ones are cut */
#define VALUE_COLUMN 21  /* of the values in the list of resolved values */
#define VALUE_SIZE   256 /* bytes of a value as text */

/* Options that name a file of values, and the function that reads it, by falling precedence. A file may itself give a
 * later one of these options. */
static const struct {
	const char *option;
	thaw_status (*read)(struct config **config, const char *path);
} files[SETTINGS_FILES] = {
	{"config", config_read},
	{"plan", plan_flags_read},
};

static int count_options(const struct option *options)
{
	int n = 0;
	while (options[n].name)
		n++;
	return n;
}

/* Index of the option with name[0 .. length), or -1. */
static int find_option(const struct option *options, const char *name, size_t length)
{
	for (int i = 0; options[i].name; i++)
		if (strlen(options[i].name) == length && strncmp(options[i].name, name, length) == 0)
			return i;
	return -1;
}

static const char *nearest_name(const struct option *options, const char *name)
{
	struct suggestion s = {0};
	for (int i = 0; options[i].name; i++)
		suggest(&s, name, options[i].name);
	return s.word;
}

static thaw_status unknown_flag(const struct option *options, const char *name, size_t length)
{
	char word[NAME_SIZE];
	snprintf(word, sizeof(word), "%.*s", (int)length, name);
	const char *near = nearest_name(options, word);
	if (near)
		return thaw_fail(THAW_USAGE, "unknown flag: --%s: did you mean --%s?", word, near);
	return thaw_fail(THAW_USAGE, "unknown flag: --%s: --help lists the flags", word);
}

/* Scans the flag at argv[*i]; advances *i to its value. */
static thaw_status scan_flag(const struct settings *s, struct setting *setting, int argc, char **argv, int *i)
{
	const char *name = argv[*i] + 2;
	size_t length = strcspn(name, "=");
	int k = find_option(s->options, name, length);
	if (k < 0)
		return unknown_flag(s->options, name, length);
	const char *text = name[length] == '=' ? name + length + 1 : NULL;
	if (!text && s->options[k].type == OPTION_FLAG)
		text = "true";
	if (!text) {
		if (*i + 1 == argc || strncmp(argv[*i + 1], "--", 2) == 0)
			return thaw_fail(THAW_USAGE, "a flag without a value: --%s: write --%s %s", s->options[k].name,
					 s->options[k].name, s->options[k].metavar);
		text = argv[++*i];
	}
	setting[k] = (struct setting){.source = FROM_FLAG, .text = text};
	return THAW_OK;
}

/* With --help, mistakes in other flags are ignored. */
static bool help_asked(int argc, char **argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

static thaw_status scan_arguments(struct settings *s, struct setting *setting, int argc, char **argv)
{
	bool flags = true;
	for (int i = 0; i < argc; i++) {
		bool dashes = flags && strncmp(argv[i], "--", 2) == 0;
		if (dashes && !argv[i][2])
			flags = false;
		else if (dashes)
			THAW_TRY(scan_flag(s, setting, argc, argv, &i));
		else if (flags && argv[i][0] == '-' && argv[i][1])
			return thaw_fail(THAW_USAGE, "unknown flag: %s: flags start with two dashes; --help lists them",
					 argv[i]);
		else
			s->arguments[s->argument_count++] = argv[i];
	}
	return THAW_OK;
}

static const char *environment_name(const struct option *o, char *name)
{
	snprintf(name, NAME_SIZE, "THAW_%s", o->name);
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return name;
}

/* THAW_HELP is ignored; an empty variable counts as unset. */
static void scan_environment(const struct settings *s, struct setting *setting)
{
	char name[NAME_SIZE];
	for (int i = 0; s->options[i].name; i++) {
		const char *text = getenv(environment_name(&s->options[i], name));
		if (text && *text && setting[i].source == FROM_DEFAULT && strcmp(s->options[i].name, "help") != 0)
			setting[i] = (struct setting){.source = FROM_ENVIRONMENT, .text = text};
	}
}

/* Whether files[file] may give the option: not help, and no file option of the same or higher precedence. */
static bool file_may_give(int file, const char *option)
{
	bool may = strcmp(option, "help") != 0;
	for (int i = 0; i <= file; i++)
		may &= strcmp(option, files[i].option) != 0;
	return may;
}

/* The place of a value in a file: "c.yaml:3: lr", or "plan.json: lr" if the line is unknown. */
static const char *entry_text(const struct config *file, const char *name, int line, char *place)
{
	if (line > 0)
		snprintf(place, PLACE_SIZE, "%s:%d: %s", file->path, line, name);
	else
		snprintf(place, PLACE_SIZE, "%s: %s", file->path, name);
	return place;
}

/* Reads the file named by the option files[number], if the command has this option and it was given. */
static thaw_status scan_file(struct settings *s, struct setting *setting, int number)
{
	char place[PLACE_SIZE];
	int named = find_option(s->options, files[number].option, strlen(files[number].option));
	if (named < 0 || !setting[named].text)
		return THAW_OK;
	THAW_TRY(files[number].read(&s->files[number], setting[named].text));
	const struct config *file = s->files[number];
	for (int i = 0; i < file->count; i++) {
		const struct config_entry *e = &file->entries[i];
		int k = find_option(s->options, e->key, strlen(e->key));
		const char *near = k < 0 ? nearest_name(s->options, e->key) : NULL;
		if (near)
			return thaw_fail(THAW_CONFIG, "unknown key: %s: did you mean %s?",
					 entry_text(file, e->key, e->line, place), near);
		if (k < 0 || !file_may_give(number, e->key))
			return thaw_fail(THAW_CONFIG, "unknown key: %s: keys are the flags of this command",
					 entry_text(file, e->key, e->line, place));
		if (e->list && !s->options[k].list)
			return thaw_fail(THAW_CONFIG, "a list of values: %s: %.64s: give a single value",
					 entry_text(file, e->key, e->line, place), e->value);
		if (setting[k].source == FROM_DEFAULT)
			setting[k] = (struct setting){FROM_FILE, e->value, file, e->line};
	}
	return THAW_OK;
}

/* The option and its value as the user wrote them. */
static const char *place_text(const struct settings *s, int i, char *place)
{
	char name[NAME_SIZE];
	const struct setting *setting = &s->setting[i];
	if (setting->source == FROM_FILE) {
		size_t length = strlen(entry_text(setting->file, s->options[i].name, setting->line, place));
		snprintf(place + length, PLACE_SIZE - length, ": %s", setting->text);
	} else if (setting->source == FROM_ENVIRONMENT) {
		snprintf(place, PLACE_SIZE, "%s=%s", environment_name(&s->options[i], name), setting->text);
	} else {
		snprintf(place, PLACE_SIZE, "--%s %s", s->options[i].name, setting->text);
	}
	return place;
}

/* Whether the option that may be given instead of this one was given. */
static bool is_replaced(const struct settings *s, int i)
{
	const char *other = s->options[i].unless;
	int k = other ? find_option(s->options, other, strlen(other)) : -1;
	return k >= 0 && s->setting[k].source != FROM_DEFAULT;
}

static thaw_status store_all(struct settings *s)
{
	char place[PLACE_SIZE];
	for (int i = 0; s->options[i].name; i++) {
		if (s->setting[i].source == FROM_DEFAULT) {
			if (s->options[i].required && !is_replaced(s, i))
				return thaw_fail(THAW_USAGE, "a flag is missing: --%s %s: %s", s->options[i].name,
						 s->options[i].metavar, s->options[i].help);
			continue;
		}
		thaw_status status =
			option_store(&s->options[i], s->values, s->setting[i].text, place_text(s, i, place));
		if (status != THAW_OK)
			return s->setting[i].source == FROM_FILE ? THAW_CONFIG : status;
	}
	return THAW_OK;
}

thaw_status settings_resolve(struct settings *s, const struct option *options, void *values, int argc, char **argv)
{
	struct setting *setting = thaw_alloc((size_t)count_options(options), sizeof(*setting));
	*s = (struct settings){.options = options, .values = values, .setting = setting};
	if (help_asked(argc, argv)) {
		((struct common *)values)->help = true;
		return THAW_OK;
	}
	s->arguments = thaw_alloc((size_t)argc, sizeof(*s->arguments));
	if (!setting || !s->arguments)
		return THAW_RESOURCE;
	THAW_TRY(scan_arguments(s, setting, argc, argv));
	scan_environment(s, setting);
	for (int i = 0; i < SETTINGS_FILES; i++)
		THAW_TRY(scan_file(s, setting, i));
	return store_all(s);
}

void settings_free(struct settings *s)
{
	for (int i = 0; i < SETTINGS_FILES; i++)
		config_free(s->files[i]);
	thaw_free(s->setting);
	thaw_free(s->arguments);
	*s = (struct settings){0};
}

static void print_given(const struct settings *s, int i, FILE *out)
{
	char text[VALUE_SIZE], name[NAME_SIZE], from[PLACE_SIZE] = "";
	const struct option *o = &s->options[i];
	const struct setting *setting = &s->setting[i];
	if (setting->source == FROM_ENVIRONMENT)
		snprintf(from, sizeof(from), "  (%s)", environment_name(o, name));
	else if (setting->line > 0)
		snprintf(from, sizeof(from), "  (%s:%d)", setting->file->path, setting->line);
	else if (setting->source == FROM_FILE)
		snprintf(from, sizeof(from), "  (%s: %s)", setting->file->path, o->name);
	option_show(o, s->values, text, sizeof(text));
	fprintf(out, "  %-18s %s%s\n", o->name, thaw_text_clean(text, ""), thaw_text_clean(from, ""));
}

/* The default of an option, given the values of the others. */
static const char *resolved_default(const struct option *o, const void *values, char *text, size_t size)
{
	return o->resolved ? o->resolved(values, text, size) : option_show_default(o, values, text, size);
}

/* The first option from number i on that has its default, if that is a value; -1: none. Defaults that --help describes
 * in words, such as "from the network", would say nothing of this run. */
static int next_default(const struct settings *s, int i)
{
	for (; s->options[i].name; i++) {
		const struct option *o = &s->options[i];
		bool value = o->type != OPTION_FLAG && (!o->absent || o->resolved);
		if (value && s->setting[i].source == FROM_DEFAULT && strcmp(o->section, COMMON_SECTION) != 0)
			return i;
	}
	return -1;
}

void settings_print(const struct settings *s, FILE *out)
{
	char text[VALUE_SIZE], entry[NAME_SIZE + VALUE_SIZE];
	for (int i = 0; s->options[i].name; i++)
		if (s->setting[i].source != FROM_DEFAULT)
			print_given(s, i, out);
	fprintf(out, "  %-18s ", "defaults");
	struct wrapped w = {.out = out, .indent = VALUE_COLUMN, .column = VALUE_COLUMN};
	for (int i = next_default(s, 0), next; i >= 0; i = next) {
		next = next_default(s, i + 1);
		snprintf(entry, sizeof(entry), "%s %s%s", s->options[i].name,
			 resolved_default(&s->options[i], s->values, text, sizeof(text)), next >= 0 ? "," : "");
		wrap_words(&w, entry);
	}
	fputc('\n', out);
}
