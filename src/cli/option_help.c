/* The flags of a command, as --help prints them. */
#include <string.h>

#include "src/cli/option_value.h"
#include "src/cli/wrap.h"

#define HELP_COLUMN 27  /* of the help texts */
#define VALUE_SIZE  256 /* bytes of a default as text */

/* Prints the allowed words of an option and its default. */
static void print_notes(const struct option *o, const void *values, struct wrapped *w)
{
	char text[VALUE_SIZE], note[VALUE_SIZE + 2];
	if (o->choices) {
		snprintf(note, sizeof(note), "(%s)", o->choices);
		wrap_words(w, note);
	}
	if (o->required && o->unless) {
		snprintf(note, sizeof(note), "[required without --%s]", o->unless);
		wrap_words(w, note);
	} else if (o->required)
		wrap_words(w, "[required]");
	else if (o->type != OPTION_FLAG) {
		snprintf(note, sizeof(note), "[%s]", option_show_default(o, values, text, sizeof(text)));
		wrap_words(w, note);
	}
}

void options_help(const struct option *options, const void *values, FILE *out)
{
	const char *section = "";
	for (const struct option *o = options; o->name; o++) {
		if (strcmp(section, o->section) != 0)
			fprintf(out, "\n%s:\n", o->section);
		section = o->section;
		int column = fprintf(out, "  --%s%s%s", o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "");
		if (column >= HELP_COLUMN - 1)
			column = fprintf(out, "\n") - 1;
		fprintf(out, "%*s", HELP_COLUMN - column, "");
		struct wrapped w = {.out = out, .indent = HELP_COLUMN, .column = HELP_COLUMN};
		wrap_words(&w, o->help);
		print_notes(o, values, &w);
		fputc('\n', out);
	}
}
