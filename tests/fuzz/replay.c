/* Runs a fuzz target on the files of the folders that are given, once each: the kept corpus, without libFuzzer. Prints
 * one line of TAP. */
#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static bool run_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "rb");
	if (!f || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		if (f)
			fclose(f);
		return false;
	}
	/* Not a byte more, so that a sanitizer sees a read past the end. */
	uint8_t *bytes = malloc((size_t)st.st_size);
	bool read = bytes && fread(bytes, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
	fclose(f);
	if (read) {
		fprintf(stderr, "%s\n", path); /* the last one is the one that ended the process */
		LLVMFuzzerTestOneInput(bytes, (size_t)st.st_size);
	}
	free(bytes);
	return read;
}

static int run_folder(const char *folder)
{
	int count = 0;
	char path[4096];
	DIR *d = opendir(folder);
	for (const struct dirent *e; d && (e = readdir(d));) {
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		count += run_file(path);
	}
	if (d)
		closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++)
		count += run_folder(argv[i]);
	printf("%s 1 - %s: %d inputs\n", count > 0 ? "ok" : "not ok", argv[0], count);
	return count > 0 ? 0 : 1;
}
