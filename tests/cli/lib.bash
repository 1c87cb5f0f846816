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

# Variables of the caller's shell must not decide what is tested.
for name in $(compgen -e THAW_); do unset "$name"; done
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OPENBLAS_NUM_THREADS=1

# run COMMAND...: the time limit turns a hang into a failure.
run() {
	command=$*
	timeout 600 "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
}

# check NAME CONDITION...: the condition is a command.
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

out_has() { grep -qF -e "$1" "$work/out"; }
err_has() { grep -qF -e "$1" "$work/err"; }

# exits CODE [TEXT]: the exit code, and what the log must say.
exits() { [ "$code" -eq "$1" ] && { [ $# -lt 2 ] || err_has "$2"; }; }

# fails CODE TEXT: nothing on stdout, one line "thaw: ..." on stderr.
fails() {
	exits "$1" "$2" && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q '^thaw: ' "$work/err"
}

# The number or text of the first member of this name in the JSON on stdout.
member() { grep -o "\"$1\": *\"\?[^\",}]*" "$work/out" | head -n 1 | sed 's/^[^:]*: *"\?//'; }

SIDE=16 # of the images that idx makes
word() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# idx PREFIX COUNT: IDX files of images of the classes 0 and 1 in turn. Image i is one grey, and each has a grey of its
# own; class 1 is brighter.
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
