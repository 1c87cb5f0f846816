# Functions that the tests of the program share. Source it with the program as $1.
#
# A test runs a command once and then checks its exit code ($code), its output ($work/out) and its log ($work/err). Every
# check prints a TAP line; finish prints the counts.
# shellcheck disable=SC2034 # the tests use what is assigned here
set -u
thaw=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

# The environment of the caller must not change the tests.
for name in $(compgen -e THAW_); do unset "$name"; done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OPENBLAS_NUM_THREADS=1

# run COMMAND...: the time limit turns a hang into a failure.
run() {
	command=$*
	timeout 3000 "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
}

# kill_at_lines RUN LINES COMMAND...: kills the command, which trains to RUN, when it has written LINES lines of metrics.
kill_at_lines() {
	local metrics=$1/metrics.jsonl lines=$2 program i
	command="${*:3}, KILL"
	"${@:3}" >"$work/out" 2>"$work/err" &
	program=$!
	for ((i = 0; i < 30000; i++)); do
		[ "$(wc -l 2>/dev/null <"$metrics")" -ge "$lines" ] 2>/dev/null && break
		sleep 0.02
	done
	kill -KILL $program
	wait $program 2>/dev/null
	code=$?
}

# stand_in NAME [INTERPRETER]: makes the program bin/NAME, by default of bash; its body comes from stdin.
stand_in() {
	mkdir -p "$work/bin"
	{
		echo "#!${2:-/bin/bash}"
		cat
	} >"$work/bin/$1"
	chmod +x "$work/bin/$1"
}

# check NAME COMMAND...: the check passes if the command succeeds.
check() {
	local what=$1
	shift
	if "$@"; then
		passed=$((passed + 1))
		echo "ok $what"
	else
		failed=$((failed + 1))
		echo "not ok $what"
		echo "# $command: exit code $code, wanted: $*"
		{ head -n 3 "$work/out"; tail -n 4 "$work/err"; } | cut -c 1-200 | sed "s/^/# /"
	fi
}

skip() {
	skipped=$((skipped + 1))
	echo "ok $1 # SKIP $2"
}

# file_has FILE TEXT...: the file contains each of the texts.
file_has() {
	local file=$1 text
	shift
	for text; do grep -qF -e "$text" "$file" || return 1; done
}
out_has() { file_has "$work/out" "$@"; }
err_has() { file_has "$work/err" "$@"; }

# exits CODE [TEXT...]: the exit code, and texts in the log.
exits() { [ "$code" -eq "$1" ] && err_has "${@:2}"; }

# prints TEXT...: success, and texts in the results.
prints() { exits 0 && out_has "$@"; }

# reports NAME=VALUE...: success, and members of the JSON result.
reports() {
	local wanted
	exits 0 || return 1
	for wanted; do [ "$(member "${wanted%%=*}")" = "${wanted#*=}" ] || return 1; done
}

# same_bytes FILE COPY: success, and both files have the same bytes.
same_bytes() { exits 0 && cmp -s "$1" "$2"; }

# fails CODE TEXT...: nothing on stdout; stderr is one line "thaw: ..." that contains the texts.
fails() { fails_once "$@" && [ "$(wc -l <"$work/err")" -eq 1 ]; }

# fails_once CODE TEXT...: the same, but stderr may have other lines, such as those of mpirun or of the log.
fails_once() {
	[ "$code" -eq "$1" ] && [ ! -s "$work/out" ] && [ "$(grep -c '^thaw: ' "$work/err")" -eq 1 ] || return 1
	local text
	for text in "${@:2}"; do grep '^thaw: ' "$work/err" | grep -qF -e "$text" || return 1; done
}

# The value of the first member with this name in the JSON on stdout.
member() { grep -o "\"$1\": *\"\?[^\",}]*" "$work/out" | head -n 1 | sed 's/^[^:]*: *"\?//'; }

SIDE=16 # of the images made by idx
word() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# idx PREFIX COUNT: writes IDX files with images of the classes 0 and 1 in turn. Each image is uniformly grey, at a
# different level; class 1 is brighter.
idx() {
	local i grey
	{
		printf '%b' "$(word 2051)$(word "$2")$(word $SIDE)$(word $SIDE)"
		for ((i = 0; i < $2; i++)); do
			grey=$(printf '\\%03o' $((i % 2 * 150 + i % 97 + 1)))
			head -c $((SIDE * SIDE)) /dev/zero | tr '\0' "$grey"
		done
	} >"$1-images-idx3-ubyte"
	{
		printf '%b' "$(word 2049)$(word "$2")"
		for ((i = 0; i < $2; i++)); do printf '%b' "\\x0$((i % 2))"; done
	} >"$1-labels-idx1-ubyte"
}

finish() {
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
}
