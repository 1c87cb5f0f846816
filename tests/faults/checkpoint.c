/* Kills a checkpoint save at each of its system calls, and lets each of them fail.
 *
 * The save runs in a child process: this program with preload.c preloaded. Afterwards the folder must contain the old
 * or the new checkpoint, and the best one. Usage: checkpoint PRELOAD.so */
#include "tests/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "src/base/try.h"
#include "thaw/checkpoint.h"

#define ELEMENTS  100000 /* random bits: a file of several write calls */
#define KILLED    99     /* the exit code of preload.c */
#define BEST      1      /* steps: BEST and OLD exist before the save of NEW */
#define OLD       2
#define NEW       3
#define MAX_CALLS 200 /* more than a save makes */

static const char *program, *preload;

static void fill(uint32_t *data, int64_t step)
{
	uint32_t x = (uint32_t)step + 1;
	for (int i = 0; i < ELEMENTS; i++)
		data[i] = x = x * 1664525u + 1013904223u;
}

static thaw_status save(const char *folder, int64_t step, bool best)
{
	static uint32_t data[ELEMENTS];
	fill(data, step);
	struct thaw_named_tensor tensor = {"t", THAW_I32, thaw_shape_of(ELEMENTS), data};
	struct thaw_weights state = {.tensors = &tensor, .count = 1};
	struct thaw_checkpoint_options o = {.directory = folder, .keep_last = 2, .level = 1};
	struct thaw_checkpoint_writer *w;
	THAW_TRY(thaw_checkpoint_writer_create(&w, &o));
	thaw_status status = thaw_checkpoint_save(w, step, &state, best);
	thaw_status closed = thaw_checkpoint_writer_close(w);
	return status != THAW_OK ? status : closed;
}

/* The child: saves NEW as the best; the message on stderr. */
static int child(const char *folder)
{
	thaw_status status = save(folder, NEW, true);
	if (status != THAW_OK)
		fprintf(stderr, "%s", thaw_error_message());
	return (int)status;
}

struct fault {
	int at;           /* 0: none */
	const char *what; /* see preload.c */
	rlim_t limit;     /* largest file in bytes; 0: none */
};

/* Runs the child under a fault; returns its exit code. s/log receives the calls, s/message its stderr. */
static int run_child(const struct scratch *s, struct fault fault)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char at[16];
		snprintf(at, sizeof(at), "%d", fault.at);
		setenv("LD_PRELOAD", preload, 1);
		setenv("THAW_FAULT_FOLDER", scratch_file(s, "run"), 1);
		setenv("THAW_FAULT_LOG", scratch_file(s, "log"), 1);
		setenv("THAW_FAULT_AT", at, 1);
		if (fault.what)
			setenv("THAW_FAULT_DO", fault.what, 1);
		signal(SIGXFSZ, SIG_IGN);
		int message = open(scratch_file(s, "message"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
		dup2(message, STDERR_FILENO);
		if (fault.limit > 0)
			setrlimit(RLIMIT_FSIZE, &(struct rlimit){fault.limit, fault.limit});
		execl(program, program, "save", scratch_file(s, "run"), (char *)NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Makes s/run with only the checkpoints BEST and OLD. */
static void prepare(const struct scratch *s)
{
	const char *run = scratch_file(s, "run");
	if (access(run, F_OK) == 0)
		assert_int_equal(nftw(run, scratch_remove_entry, 8, FTW_DEPTH | FTW_PHYS), 0);
	unlink(scratch_file(s, "log"));
	assert_int_equal(thaw_make_directory(run), THAW_OK);
	assert_int_equal(save(run, BEST, true), THAW_OK);
	assert_int_equal(save(run, OLD, false), THAW_OK);
}

static void fail_on_damage(void *context, const char *path, thaw_status status, const char *why)
{
	(void)context, (void)status;
	fail_msg("%s: %s", path, why);
}

static void check_content(const struct thaw_weights *w, int64_t step)
{
	static uint32_t data[ELEMENTS];
	fill(data, step);
	assert_memory_equal(thaw_weights_find(w, "t")->data, data, sizeof(data));
}

/* Checks that no checkpoint is damaged and the best one is right; returns the step of the newest. full: the best one
 * may have been removed to make room. */
static int64_t check_folder(const struct scratch *s, bool full)
{
	const char *run = scratch_file(s, "run");
	struct thaw_weights w = {0};
	int64_t step, best;
	const struct thaw_checkpoint_search search = {.directory = run, .largest = SIZE_MAX, .skipped = fail_on_damage};
	assert_int_equal(thaw_checkpoint_latest(&w, &step, &search), THAW_OK);
	assert_true(step == OLD || step == NEW);
	check_content(&w, step);
	thaw_weights_free(&w);
	assert_int_equal(thaw_checkpoint_best(&best, run), THAW_OK);
	if (full && best == -1)
		return step;
	assert_int_equal(best, step == NEW ? NEW : BEST);
	char name[64];
	snprintf(name, sizeof(name), "run/step-%lld.safetensors.zst", (long long)best);
	assert_int_equal(thaw_checkpoint_read(&w, scratch_file(s, name), SIZE_MAX), THAW_OK);
	check_content(&w, best);
	thaw_weights_free(&w);
	return step;
}

static int temporary_files(const struct scratch *s)
{
	DIR *d = opendir(scratch_file(s, "run"));
	assert_non_null(d);
	int count = 0;
	for (const struct dirent *entry; (entry = readdir(d)) != NULL;)
		count += strstr(entry->d_name, ".tmp") != NULL;
	closedir(d);
	return count;
}

/* Killed at each call: the old or the new checkpoint remains; the next save cleans up and succeeds. */
static void kill_at_each_call(const struct scratch *s, const char *what)
{
	int at = 1, olds = 0, news = 0;
	for (; at < MAX_CALLS; at++) {
		prepare(s);
		int code = run_child(s, (struct fault){.at = at, .what = what});
		int64_t step = check_folder(s, false);
		if (code == 0)
			break;
		assert_int_equal(code, KILLED);
		olds += step == OLD;
		news += step == NEW;
		assert_int_equal(save(scratch_file(s, "run"), NEW, true), THAW_OK);
		assert_int_equal(check_folder(s, false), NEW);
		assert_int_equal(temporary_files(s), 0);
	}
	/* Calls before and after the rename were covered. */
	assert_true(at < MAX_CALLS && olds > 10 && news > 2);
}

static void test_killed_before(void **state)
{
	kill_at_each_call(*state, "before");
}

static void test_killed_half_way(void **state)
{
	kill_at_each_call(*state, "half");
}

static void test_killed_after(void **state)
{
	kill_at_each_call(*state, "after");
}

/* Whether the save may succeed although the nth logged call failed: closing a file that was only read, and opening an
 * earlier checkpoint to verify it (it then does not count). */
static bool may_be_ignored(const struct scratch *s, int n)
{
	FILE *log = fopen(scratch_file(s, "log"), "r");
	assert_non_null(log);
	char line[3 * PATH_MAX];
	for (int i = 0; i < n; i++)
		assert_non_null(fgets(line, sizeof(line), log));
	fclose(log);
	bool temporary = strstr(line, ".tmp") != NULL, checkpoint = strstr(line, "/step-") != NULL;
	return !temporary && (strncmp(line, "close ", 6) == 0 || (strncmp(line, "open ", 5) == 0 && checkpoint));
}

/* Each call fails once: a message with the file's name, exit code THAW_IO, no temporary files. On a full disk, the save
 * may succeed after it has removed a checkpoint; the newest one always stays. */
static void fail_each_call(const struct scratch *s, int number)
{
	char what[16];
	snprintf(what, sizeof(what), "%d", number);
	int at = 1, failures = 0;
	for (; at < MAX_CALLS; at++) {
		prepare(s);
		int code = run_child(s, (struct fault){.at = at, .what = what});
		bool full = number == ENOSPC || number == EDQUOT;
		int64_t step = check_folder(s, full);
		size_t size;
		char *log = scratch_get(scratch_file(s, "log"), &size), *message;
		int calls = 0;
		for (size_t i = 0; i < size; i++)
			calls += log[i] == '\n';
		free(log);
		if (calls < at)
			break;
		assert_int_equal(temporary_files(s), 0);
		if (code == 0) {
			assert_int_equal(step, NEW);
			assert_true(full || may_be_ignored(s, at));
			continue;
		}
		failures++;
		assert_int_equal(code, THAW_IO);
		message = scratch_get(scratch_file(s, "message"), &size);
		assert_non_null(strstr(message, scratch_file(s, "run")));
		assert_non_null(strstr(message, strerror(number)));
		free(message);
	}
	bool full = number == ENOSPC || number == EDQUOT;
	assert_true(at < MAX_CALLS && at > 20 && failures > (full ? 3 : 10));
}

static void test_full_disk(void **state)
{
	fail_each_call(*state, ENOSPC);
}

static void test_bad_disk(void **state)
{
	fail_each_call(*state, EIO);
}

static void test_quota(void **state)
{
	fail_each_call(*state, EDQUOT);
}

static void test_file_size_limit(void **state)
{
	const struct scratch *s = *state;
	static const rlim_t limits[] = {1, 30, 5000, 300000};
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		prepare(s);
		assert_int_equal(run_child(s, (struct fault){.limit = limits[i]}), THAW_IO);
		assert_int_equal(check_folder(s, false), OLD);
		assert_int_equal(temporary_files(s), 0);
	}
	prepare(s);
	assert_int_equal(run_child(s, (struct fault){.limit = 1 << 20}), THAW_OK);
	assert_int_equal(check_folder(s, false), NEW);
}

/* The numbers of the calls that make a file durable. */
struct order {
	int last_write, synced, renamed, folder_synced;
};

static struct order order_of(const struct scratch *s, const char *final)
{
	struct order o = {0};
	char line[3 * PATH_MAX], call[16], path[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s", scratch_file(s, "run"));
	snprintf(path, sizeof(path), "%s", scratch_file(s, "log"));
	FILE *log = fopen(path, "r");
	assert_non_null(log);
	for (int n = 1; fgets(line, sizeof(line), log); n++) {
		int words = sscanf(line, "%15s %4095s %4095s", call, path, to);
		bool ours = strstr(path, final) != NULL;
		if (ours && strcmp(call, "write") == 0)
			o.last_write = n;
		else if (ours && strcmp(call, "fsync") == 0)
			o.synced = n;
		else if (ours && strcmp(call, "rename") == 0 && words == 3 && strstr(to, ".tmp") == NULL)
			o.renamed = n;
		else if (strcmp(call, "fsync") == 0 && strcmp(path, folder) == 0 && o.renamed && !o.folder_synced)
			o.folder_synced = n;
	}
	fclose(log);
	return o;
}

static void assert_order(struct order o)
{
	assert_true(o.last_write > 0);
	assert_true(o.synced > o.last_write);
	assert_true(o.renamed > o.synced);
	assert_true(o.folder_synced > o.renamed);
}

/* After kill -9 the kernel still writes its buffers, so only the order of calls reveals a missing fsync. */
static void test_order(void **state)
{
	const struct scratch *s = *state;
	prepare(s);
	assert_int_equal(run_child(s, (struct fault){0}), THAW_OK);
	struct order record = order_of(s, "run/best.json"), checkpoint = order_of(s, "run/step-3.safetensors.zst");
	assert_order(record);
	assert_order(checkpoint);
	assert_true(record.folder_synced < checkpoint.renamed);
	/* The old checkpoint is removed last. */
	size_t size;
	char *log = scratch_get(scratch_file(s, "log"), &size), *removed = strstr(log, "unlink");
	assert_non_null(removed);
	int before = 1;
	for (const char *c = log; c < removed; c++)
		before += *c == '\n';
	assert_true(before > checkpoint.folder_synced);
	free(log);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "save") == 0)
		return child(argv[2]);
	if (argc != 2) {
		fprintf(stderr, "usage: %s PRELOAD.so\n", argv[0]);
		return THAW_USAGE;
	}
	program = argv[0];
	preload = argv[1];
	const struct CMUnitTest tests[] = {
		in_scratch(test_order),        in_scratch(test_killed_before),   in_scratch(test_killed_half_way),
		in_scratch(test_killed_after), in_scratch(test_full_disk),       in_scratch(test_bad_disk),
		in_scratch(test_quota),        in_scratch(test_file_size_limit),
	};
	return cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}
