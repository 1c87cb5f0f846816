/* Reads /proc, /sys and the processor. A property that cannot be read is unknown, which is not a failure. */
#include "src/base/machine.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define CGROUP_ROOT "/sys/fs/cgroup"
#define LINE_SIZE   512

/* Finds the first line "KEY : VALUE" of a file and copies its value. */
static bool find_value(const char *path, const char *key, char *value, size_t size)
{
	char line[LINE_SIZE];
	size_t length = strlen(key);
	bool found = false;
	FILE *f = fopen(path, "re");
	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *rest = line + length;
		if (strncmp(line, key, length) != 0 || !strchr(" \t:", *rest))
			continue;
		rest += strspn(rest, " \t:");
		snprintf(value, size, "%.*s", (int)strcspn(rest, "\n"), rest);
		found = true;
	}
	if (f)
		fclose(f);
	return found;
}

const char *thaw_machine_cpu(char *text, size_t size)
{
	if (!find_value("/proc/cpuinfo", "model name", text, size) &&
	    !find_value("/proc/cpuinfo", "CPU part", text, size))
		snprintf(text, size, "unknown");
	return text;
}

static void append_word(char *text, size_t size, bool present, const char *word)
{
	size_t used = strlen(text);
	if (present && used < size)
		snprintf(text + used, size - used, "%s%s", used ? " " : "", word);
}

const char *thaw_machine_vectors(char *text, size_t size)
{
	text[0] = '\0';
#if defined(__x86_64__)
	append_word(text, size, __builtin_cpu_supports("avx"), "avx");
	append_word(text, size, __builtin_cpu_supports("avx2"), "avx2");
	append_word(text, size, __builtin_cpu_supports("fma"), "fma");
	append_word(text, size, __builtin_cpu_supports("avx512f"), "avx512f");
	append_word(text, size, __builtin_cpu_supports("avx512bf16"), "avx512bf16");
#if !defined(__clang__)
	append_word(text, size, __builtin_cpu_supports("amx-bf16"), "amx-bf16");
#endif
#elif defined(__aarch64__)
	append_word(text, size, getauxval(AT_HWCAP) & HWCAP_ASIMD, "neon");
	append_word(text, size, getauxval(AT_HWCAP) & HWCAP_SVE, "sve");
#endif
	append_word(text, size, !*text, "none known");
	return text;
}

int thaw_machine_cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n > 0 ? (int)n : 1;
}

int thaw_machine_usable_cores(cpu_set_t *mask)
{
	cpu_set_t own;
	if (!mask)
		mask = &own;
	CPU_ZERO(mask);
	return sched_getaffinity(0, sizeof(*mask), mask) == 0 ? CPU_COUNT(mask) : thaw_machine_cores();
}

static double memory_value(const char *key)
{
	char value[LINE_SIZE];
	return find_value("/proc/meminfo", key, value, sizeof(value)) ? strtod(value, NULL) * 1024 : 0;
}

double thaw_machine_memory(void)
{
	return memory_value("MemTotal");
}

double thaw_machine_memory_available(void)
{
	return memory_value("MemAvailable");
}

/* The first line of FOLDER/FILE. */
static bool read_line(const char *folder, const char *file, char *line, size_t size)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof(path), "%s/%s", folder, file) >= (int)sizeof(path))
		return false;
	FILE *f = fopen(path, "re");
	bool read = f && fgets(line, (int)size, f);
	if (f)
		fclose(f);
	return read;
}

/* The folder of this process's control group (version 2), or the root when it is unknown, as in containers. */
static void cgroup_folder(char *folder, size_t size)
{
	char name[LINE_SIZE];
	/* Version 2 of control groups has the line "0::/path". */
	if (!find_value("/proc/self/cgroup", "0", name, sizeof(name)) ||
	    snprintf(folder, size, CGROUP_ROOT "%s", name) >= (int)size || access(folder, R_OK) != 0)
		snprintf(folder, size, CGROUP_ROOT);
}

/* The smallest limit of this process's group and the groups above it; `limit_of` returns 0 for none. */
static double smallest_limit(double (*limit_of)(const char *folder))
{
	char folder[PATH_MAX];
	double least = 0;
	cgroup_folder(folder, sizeof(folder));
	while (strlen(folder) >= strlen(CGROUP_ROOT)) {
		double limit = limit_of(folder);
		if (limit > 0 && (least == 0 || limit < least))
			least = limit;
		*strrchr(folder, '/') = '\0';
	}
	return least;
}

/* "max" is read as 0. Version 1 has another file, which contains a huge number when there is no limit. */
static double memory_limit_of(const char *folder)
{
	char line[LINE_SIZE];
	double limit = 0;
	if (read_line(folder, "memory.max", line, sizeof(line)) ||
	    read_line(folder, "memory/memory.limit_in_bytes", line, sizeof(line)))
		limit = strtod(line, NULL);
	return limit < thaw_machine_memory() ? limit : 0;
}

/* What the group may still allocate, at least 1; 0: no limit. Cached files that are not in use can be dropped. */
static double memory_room_of(const char *folder)
{
	char line[LINE_SIZE], path[PATH_MAX], value[LINE_SIZE];
	double limit = memory_limit_of(folder), used = 0;
	if (limit <= 0)
		return 0;
	if (read_line(folder, "memory.current", line, sizeof(line)) ||
	    read_line(folder, "memory/memory.usage_in_bytes", line, sizeof(line)))
		used = strtod(line, NULL);
	if (snprintf(path, sizeof(path), "%s/memory.stat", folder) < (int)sizeof(path) &&
	    find_value(path, "inactive_file", value, sizeof(value)))
		used -= strtod(value, NULL);
	return limit - used > 1 ? limit - used : 1;
}

double thaw_machine_memory_room(void)
{
	double available = thaw_machine_memory_available(), room = smallest_limit(memory_room_of);
	return room > 0 && (available <= 0 || room < available) ? room : available;
}

/* cpu.max is "QUOTA PERIOD" in microseconds, or "max PERIOD". */
static double cpu_limit_of(const char *folder)
{
	char line[LINE_SIZE];
	double quota, period;
	if (!read_line(folder, "cpu.max", line, sizeof(line)) || sscanf(line, "%lf %lf", &quota, &period) != 2)
		return 0;
	return period > 0 ? quota / period : 0;
}

double thaw_machine_memory_limit(void)
{
	return smallest_limit(memory_limit_of);
}

double thaw_machine_cpu_limit(void)
{
	return smallest_limit(cpu_limit_of);
}
