#!/bin/sh
# Runs test suites on a build and counts. Usage: tests/check.sh BUILD [SUITE...]
# Suites: lint, unit, replay, mpi, cli, faults, sanitizers (tests/README.md says what they are for); by default all.
#
# Every test program prints lines of TAP: "ok NAME" or "not ok NAME", with "# SKIP REASON" at the end if it was skipped.
# A program that fails without naming a failed test counts as one failure. The last line of the output is
# "N passed, N failed, N skipped".
set -u
build=$1
shift
suites=${*:-lint unit replay mpi cli faults sanitizers}
logs=$build/log
mkdir -p "$logs"
passed=0 failed=0 skipped=0

# The sanitizers' builds are separate runs of make, on all cores.
unset MAKELEVEL MAKEFLAGS MFLAGS

# Open MPI refuses to run as root and with more ranks than cores by default; the tests do both.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_hwloc_base_binding_policy=none
export OPENBLAS_NUM_THREADS=1 CMOCKA_MESSAGE_OUTPUT=TAP

# log_of NAME: where the output of a test program is kept.
log_of() {
	echo "$logs/$(echo "$1" | tr ' /' '__').log"
}

# count NAME: counts the tests in the output of a program that tests/run_one.sh ran.
count() {
	name=$1
	log=$(log_of "$name")
	code=1 seconds=0 # of a program that did not come to its end
	[ -f "$log.end" ] && read -r code seconds <"$log.end"
	s=$(grep -ciE '^(not )?ok.*# skip' "$log") # cmocka prints "not ok" for a skipped test
	p=$(grep -vi '# skip' "$log" | grep -cE '^ok')
	f=$(grep -vi '# skip' "$log" | grep -cE '^not ok')
	# A nested run of this script (make asan) ends in its own counts: "N passed, N failed, N skipped".
	if sum=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$log"); then
		# shellcheck disable=SC2086 # $sum is several words
		set -- $sum
		p=$1 f=$3 s=$5
	fi
	if [ "$code" -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
		echo "exit code $code" >>"$log"
	fi
	if [ "$code" -eq 0 ] && [ $((p + s + f)) -eq 0 ]; then
		f=1
		echo "ran no test" >>"$log"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
	printf '%-40s %4d passed %3d failed %3d skipped  %4ds\n' "$name" "$p" "$f" "$s" "$seconds"
	grep -iE '^(not )?ok.*# skip' "$log" | sed -E 's/^(not )?ok [0-9 -]*/  skipped: /'
	if [ "$f" -gt 0 ]; then
		grep -vi '# skip' "$log" | grep -E -A 6 '^not ok' | head -60
		tail -n 30 "$log"
	fi
}

# run NAME COMMAND...: runs a test program and counts.
run() {
	name=$1
	shift
	log=$(log_of "$name")
	rm -f "$log.end"
	tests/run_one.sh "$log" "$@"
	count "$name"
}

# run_all SUITE RUNNER PROGRAM...: runs programs of one process each, as many at a time as there are cores, and counts.
# Each gets the command RUNNER PROGRAM.
run_all() {
	suite=$1 runner=$2
	shift 2
	for program; do
		log=$(log_of "$suite ${program##*/}")
		rm -f "$log.end"
		printf '%s\n' "$log" "$runner" "$program"
	done | xargs -d '\n' -n 3 -P "$(nproc)" tests/run_one.sh
	for program; do
		count "$suite ${program##*/}"
	done
}

suite_lint() {
	for check in format shellcheck spelling; do
		run "lint $check" tools/lint.sh --tap $check
	done
}

# programs FILE...: the test programs among these files; a build also has folders and lists of dependencies.
programs() {
	for file; do
		[ -x "$file" ] && [ ! -d "$file" ] && echo "$file"
	done
}

suite_unit() {
	# shellcheck disable=SC2046 # the names have no spaces
	run_all unit env $(programs "$build"/tests/unit/test_*)
}

suite_replay() {
	# shellcheck disable=SC2046 # the names have no spaces
	run_all replay tests/replay.sh $(programs "$build"/tests/replay/fuzz_*)
}

suite_mpi() {
	for test in "$build"/tests/mpi/test_*; do
		[ -x "$test" ] || continue
		for ranks in 1 2 3 4 8; do
			run "mpi ${test##*/} ranks=$ranks" mpirun -np $ranks "$test"
		done
	done
	for script in tests/mpi/*.sh; do
		[ -e "$script" ] && run "mpi ${script##*/}" bash "$script" "$build"
	done
	# Samples of make soak. silence.sh has a rank that is stopped for ever.
	run "soak kill_resume.sh" bash tests/soak/kill_resume.sh "$build" rank-KILL=3 mpirun-KILL=1
	run "soak every_step.sh" bash tests/soak/every_step.sh "$build" 15 1
}

suite_cli() {
	for script in tests/cli/test_*.sh; do
		[ -e "$script" ] && run "cli ${script##*/}" bash "$script" "$build/thaw"
	done
}

suite_faults() {
	for script in tests/faults/*.sh; do
		[ -e "$script" ] && run "faults ${script##*/}" bash "$script" "$build"
	done
}

suite_sanitizers() {
	run "sanitizers" make --no-print-directory asan
}

for suite in $suites; do
	"suite_$suite"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
