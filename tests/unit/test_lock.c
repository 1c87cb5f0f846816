/* The lock of a run directory: who is refused, who may take over, with and without file locks. Other jobs are child
 * processes; other nodes are records with another boot id. */
#include "tests/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "src/train/lock.h"
#include "src/train/lock_owner.h"

/* What flock and fcntl's locks fail with; 0: they work. */
static int flock_error, fcntl_error;

int flock(int fd, int operation)
{
	errno = flock_error;
	return flock_error ? -1 : (int)syscall(SYS_flock, fd, operation);
}

int fcntl(int fd, int command, ...)
{
	va_list args;
	va_start(args, command);
	void *argument = va_arg(args, void *);
	va_end(args);
	if (command == F_OFD_SETLK && fcntl_error) {
		errno = fcntl_error;
		return -1;
	}
	return (int)syscall(SYS_fcntl, fd, command, argument);
}

static const struct thaw_lock_times impatient = {.beat = 0.1, .lease = 2.0, .grace = 0.2};
static const struct thaw_lock_times patient = {.beat = 0.1, .lease = 2.0, .grace = 60.0};

/* For a holder that lives, however busy the machine is. */
static const struct thaw_lock_times trusting = {.beat = 0.1, .lease = 60.0, .grace = 0.2};

static char lines[2048];

static void add_line(void *context, const char *line)
{
	(void)context;
	snprintf(lines + strlen(lines), sizeof(lines) - strlen(lines), "%s\n", line);
}

static const struct thaw_callbacks callbacks = {.log = add_line};

static thaw_status take(struct thaw_lock **lock, const struct scratch *s, const struct thaw_lock_times *times)
{
	lines[0] = '\0';
	return thaw_lock_take(lock, s->path, times, &callbacks);
}

/* Children that were not waited for: after a failed assertion they would hold the lock, and this test's output, for
 * ever.
 */
static pid_t children[8];

static pid_t fork_child(void)
{
	size_t i = 0;
	while (i < sizeof(children) / sizeof(*children) && children[i] > 0)
		i++;
	assert_true(i < sizeof(children) / sizeof(*children));
	pid_t pid = fork();
	assert_true(pid >= 0);
	children[i] = pid;
	return pid;
}

static void forget_child(pid_t pid)
{
	for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++)
		if (children[i] == pid)
			children[i] = 0;
}

static int end_children(void **state)
{
	for (size_t i = 0; i < sizeof(children) / sizeof(*children); i++) {
		if (children[i] > 0 && kill(children[i], SIGKILL) == 0)
			waitpid(children[i], NULL, 0);
		children[i] = 0;
	}
	flock_error = fcntl_error = 0;
	return scratch_remove(state);
}

/* A child that takes the lock and holds it until it is killed, or for some milliseconds. */
static pid_t start_holder(const struct scratch *s, int milliseconds)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork_child();
	if (pid == 0) {
		struct thaw_lock *lock;
		if (thaw_lock_take(&lock, s->path, &impatient, NULL) != THAW_OK || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (milliseconds > 0)
			usleep((useconds_t)milliseconds * 1000);
		else
			pause();
		_exit(0); /* as a killed process, without releasing the lock */
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	forget_child(pid);
}

static void put_owner(const struct scratch *s, const struct lock_owner *owner)
{
	int fd = open(scratch_file(s, ".lock"), O_RDWR | O_CREAT, 0666);
	assert_true(fd >= 0 && lock_owner_write(owner, fd));
	close(fd);
}

/* An owner on another node. */
static struct lock_owner foreign(void)
{
	struct lock_owner o = lock_owner_self(false);
	strcpy(o.boot, "another-boot");
	strcpy(o.host, "node7");
	return o;
}

static void refuse_and_take_over(const struct scratch *s)
{
	struct thaw_lock *lock = NULL;
	pid_t pid = start_holder(s, 0);
	char who[64];
	snprintf(who, sizeof(who), "(process %ld on ", (long)pid);
	assert_int_equal(take(&lock, s, &impatient), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "another job uses this run directory"));
	assert_non_null(strstr(thaw_error_message(), who));
	end_holder(pid);
	assert_int_equal(take(&lock, s, &patient), THAW_OK);
	assert_int_equal(thaw_lock_check(lock), THAW_OK);
	thaw_lock_release(lock);
	assert_int_equal(take(&lock, s, &impatient), THAW_OK);
	assert_string_equal(lines, fcntl_error
					   ? "this file system has no file locks: the run directory is kept by signs "
					     "of life in .lock\n"
					   : "");
	thaw_lock_release(lock);
}

static void a_second_job_is_refused(void **state)
{
	refuse_and_take_over(*state);
}

/* What Lustre without -o flock, NFS without lockd and FUSE report. */
static const int errors[] = {ENOLCK, ENOSYS, EOPNOTSUPP, EINVAL, EIO};

static void a_second_job_is_refused_without_flock(void **state)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		flock_error = errors[i];
		refuse_and_take_over(*state);
	}
	flock_error = 0;
}

static void a_second_job_is_refused_without_any_lock(void **state)
{
	for (size_t i = 0; i < 3; i++) {
		flock_error = fcntl_error = errors[i];
		refuse_and_take_over(*state);
	}
	flock_error = fcntl_error = 0;
}

/* The ranks of a job whose mpirun was killed end a second later. */
static void a_job_that_ends_is_waited_for(void **state)
{
	struct thaw_lock *lock = NULL;
	pid_t pid = start_holder(*state, 500);
	assert_int_equal(take(&lock, *state, &patient), THAW_OK);
	assert_string_equal(lines, "another job uses the run directory: waiting up to 60 s for it to end\n");
	thaw_lock_release(lock);
	end_holder(pid);
}

/* Its file lock is not seen here, or was lost with the node. */
static void a_dead_job_on_another_node_is_replaced(void **state)
{
	struct thaw_lock *lock = NULL;
	struct lock_owner o = foreign();
	put_owner(*state, &o);
	assert_int_equal(take(&lock, *state, &impatient), THAW_OK);
	assert_non_null(strstr(lines, "on node7 used the run directory last: waiting up to 2 s"));
	assert_non_null(strstr(lines, "on node7 gives no sign of life"));
	thaw_lock_release(lock);
	/* One that ended well is not waited for. */
	o.token = 0;
	put_owner(*state, &o);
	assert_int_equal(take(&lock, *state, &impatient), THAW_OK);
	assert_string_equal(lines, "");
	thaw_lock_release(lock);
}

static void a_living_job_on_another_node_is_respected(void **state)
{
	struct thaw_lock *lock = NULL;
	struct lock_owner o = foreign();
	put_owner(*state, &o);
	pid_t pid = fork_child();
	if (pid == 0)
		for (;; usleep(50000)) {
			o.beat++;
			put_owner(*state, &o);
		}
	assert_int_equal(take(&lock, *state, &trusting), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "on node7)"));
	end_holder(pid);
}

static bool always_stop(void *context)
{
	(void)context;
	return true;
}

static void a_stop_request_ends_the_wait(void **state)
{
	const struct thaw_callbacks stopping = {.log = add_line, .stop = always_stop};
	const struct scratch *s = *state;
	const struct lock_owner owner = foreign();
	struct thaw_lock *lock = NULL;
	put_owner(s, &owner);
	lines[0] = '\0';
	assert_int_equal(thaw_lock_take(&lock, s->path, &trusting, &stopping), THAW_UNFINISHED);
	assert_non_null(strstr(lines, "waiting up to"));
	assert_null(strstr(lines, "counts as dead"));
}

/* Both took it at once, each with a lock that the other cannot see: the one whose record was overwritten stops. */
static void of_two_holders_one_stops(void **state)
{
	struct thaw_lock *lock = NULL;
	struct lock_owner o = foreign();
	assert_int_equal(take(&lock, *state, &impatient), THAW_OK);
	assert_int_equal(thaw_lock_check(lock), THAW_OK);
	put_owner(*state, &o);
	assert_int_equal(thaw_lock_check(lock), THAW_CONFIG);
	assert_non_null(strstr(thaw_error_message(), "another job has taken the run directory"));
	usleep(300000); /* several beats: they must not overwrite the other's record */
	thaw_lock_release(lock);
	struct lock_owner now;
	int fd = open(scratch_file(*state, ".lock"), O_RDONLY);
	assert_true(lock_owner_read(&now, fd) && now.token == o.token);
	close(fd);
}

static void a_removed_lock_file_is_made_again(void **state)
{
	const struct scratch *s = *state;
	struct thaw_lock *lock = NULL, *second = NULL;
	assert_int_equal(take(&lock, s, &impatient), THAW_OK);
	assert_int_equal(unlink(scratch_file(s, ".lock")), 0);
	assert_int_equal(thaw_lock_check(lock), THAW_OK);
	assert_non_null(strstr(lines, "the lock file was removed"));
	assert_int_equal(take(&second, s, &impatient), THAW_CONFIG);
	assert_int_equal(thaw_lock_check(lock), THAW_OK);

	/* A second job was faster. */
	assert_int_equal(unlink(scratch_file(s, ".lock")), 0);
	pid_t pid = start_holder(s, 0);
	assert_int_equal(thaw_lock_check(lock), THAW_CONFIG);
	end_holder(pid);
	assert_int_equal(thaw_lock_check(lock), THAW_CONFIG); /* for good */
	thaw_lock_release(lock);
}

static void a_moved_directory_is_noticed(void **state)
{
	const struct scratch *s = *state;
	struct scratch run;
	struct thaw_lock *lock = NULL;
	snprintf(run.path, sizeof(run.path), "%.400s/run", s->path);
	assert_int_equal(mkdir(run.path, 0777), 0);
	assert_int_equal(take(&lock, &run, &impatient), THAW_OK);
	assert_int_equal(rename(run.path, scratch_file(s, "moved")), 0);
	assert_int_equal(thaw_lock_check(lock), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "the run directory is gone"));
	assert_int_equal(mkdir(run.path, 0777), 0);
	assert_int_equal(thaw_lock_check(lock), THAW_IO);
	assert_int_equal(access(scratch_file(&run, ".lock"), F_OK), -1);
	assert_int_equal(rmdir(run.path), 0);
	assert_int_equal(rename(scratch_file(s, "moved"), run.path), 0);
	assert_int_equal(thaw_lock_check(lock), THAW_OK);
	thaw_lock_release(lock);
}

static void odd_lock_files(void **state)
{
	const struct scratch *s = *state;
	struct thaw_lock *lock = NULL;
	scratch_put(scratch_file(s, ".lock"), "not a record", 12);
	assert_int_equal(take(&lock, s, &impatient), THAW_OK);
	thaw_lock_release(lock);
	assert_int_equal(unlink(scratch_file(s, ".lock")), 0);
	assert_int_equal(mkfifo(scratch_file(s, ".lock"), 0666), 0);
	assert_int_equal(take(&lock, s, &impatient), THAW_IO);
	assert_non_null(strstr(thaw_error_message(), "not a regular file"));
}

static void a_reused_process_id_is_not_the_owner(void **state)
{
	(void)state;
	struct lock_owner o = lock_owner_self(true);
	assert_int_equal(lock_owner_life(&o), LOCK_ALIVE);
	o.started--;
	assert_int_equal(lock_owner_life(&o), LOCK_DEAD);
	o = foreign();
	assert_int_equal(lock_owner_life(&o), LOCK_UNKNOWN);
}

#define in_scratch(test) cmocka_unit_test_setup_teardown(test, scratch_make, end_children)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_scratch(a_second_job_is_refused),
		in_scratch(a_second_job_is_refused_without_flock),
		in_scratch(a_second_job_is_refused_without_any_lock),
		in_scratch(a_job_that_ends_is_waited_for),
		in_scratch(a_dead_job_on_another_node_is_replaced),
		in_scratch(a_living_job_on_another_node_is_respected),
		in_scratch(a_stop_request_ends_the_wait),
		in_scratch(of_two_holders_one_stops),
		in_scratch(a_removed_lock_file_is_made_again),
		in_scratch(a_moved_directory_is_noticed),
		in_scratch(odd_lock_files),
		cmocka_unit_test(a_reused_process_id_is_not_the_owner),
	};
	return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
