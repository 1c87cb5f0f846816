/* mapping.txt of EMNIST: the characters of each class. A line is the number of the class and the code of a character,
 * or of several: "10 65", "1 65 97". */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/path.h"
#include "src/base/try.h"
#include "src/data/dataset.h"
#include "src/data/idx_files.h"
#include "thaw/file.h"
#include "thaw/memory.h"

#define FILE_LIMIT ((size_t)1 << 20) /* bytes */
#define MOST_CODES 8                 /* characters of one class */
#define FIRST_CODE 33                /* printable ASCII */
#define LAST_CODE  126

char *thaw_idx_mapping_path(const char *folder, const char *images)
{
	static const char *const words[] = {"train-", "test-", "t10k-"};
	const char *end = NULL;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words) && !end; i++)
		end = strstr(images, words[i]);
	char *path = thaw_format("%s/%.*smapping.txt", folder, end ? (int)(end - images) : 0, images);
	if (!path || thaw_path_is_file(path))
		return path;
	thaw_free(path);
	return thaw_path_join(folder, "mapping.txt");
}

/* Reads "LABEL CODE..." of one line. Returns the number of characters in text, 0 if the line is something else. */
static int parse_line(const char *line, int *label, char text[MOST_CODES + 1])
{
	char *end;
	int count = 0;
	long number = strtol(line, &end, 10);
	if (end == line || number < 0 || number > UINT8_MAX)
		return 0;
	*label = (int)number;
	for (line = end; count < MOST_CODES; line = end) {
		number = strtol(line, &end, 10);
		if (end == line)
			break;
		if (number < FIRST_CODE || number > LAST_CODE || !isspace((unsigned char)*line))
			return 0;
		text[count++] = (char)number;
	}
	text[count] = '\0';
	return line[strspn(line, " \t\r")] == '\0' ? count : 0;
}

static thaw_status read_line(struct thaw_dataset *d, const char *line, int number, const char *path)
{
	char text[MOST_CODES + 1];
	int label;
	if (line[strspn(line, " \t\r")] == '\0')
		return THAW_OK;
	if (parse_line(line, &label, text) == 0)
		return thaw_fail(
			THAW_DATA,
			"not a class and the codes of its characters: %s: line %d: \"%.40s\": repair it, as in "
			"\"10 65\", or remove the file",
			path, number, line);
	if (label >= d->classes)
		return THAW_OK; /* a class without images */
	if (d->class_names[label])
		return thaw_fail(THAW_DATA, "two lines for class %d: %s: line %d: remove one of them", label, path,
				 number);
	d->class_names[label] = thaw_strdup(text);
	return d->class_names[label] ? THAW_OK : THAW_RESOURCE;
}

/* EMNIST's letters have the labels 1 to 26: class 0, which has no images then, is named by its number. */
static thaw_status check_complete(struct thaw_dataset *d, const char *path)
{
	if (!d->class_names[0] && !(d->class_names[0] = thaw_strdup("0")))
		return THAW_RESOURCE;
	for (int c = 0; c < d->classes; c++)
		if (!d->class_names[c])
			return thaw_fail(
				THAW_DATA,
				"no line for class %d of %d: %s: add its number and the code of its character, "
				"or remove the file",
				c, d->classes, path);
	return THAW_OK;
}

thaw_status thaw_idx_read_mapping(struct thaw_dataset *d, const char *path, int highest)
{
	void *bytes;
	size_t size;
	int number = 0;
	THAW_TRY(thaw_file_read(&bytes, &size, path, FILE_LIMIT));
	d->class_names = thaw_alloc((size_t)highest + 1, sizeof(char *));
	d->classes = d->class_names ? highest + 1 : 0;
	thaw_status status = d->class_names ? THAW_OK : THAW_RESOURCE;
	for (char *line = bytes; line && status == THAW_OK;) {
		char *next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		status = read_line(d, line, ++number, path);
		line = next;
	}
	thaw_free(bytes);
	return status == THAW_OK ? check_complete(d, path) : status;
}
