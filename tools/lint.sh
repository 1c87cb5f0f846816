#!/bin/sh
# Checks the sources for style and common mistakes; prints nothing and exits with 0 if there are none.
# Usage: tools/lint.sh [--tap] [format] [shellcheck] [spelling] [tidy]   (all four by default)
#
# --tap prints a line of TAP for each check, and skips a check whose tool is missing; otherwise that is an error.
# tidy needs compile_commands.json (make lint) and takes minutes; TIDY="FILE..." limits it to these files.
# shellcheck disable=SC2317 # lint calls the functions check_... by name
set -u
cd "$(dirname "$0")/.." || exit 1
FORMAT_VERSION=14 # other versions of clang-format differ in details

tap='' failed=0
if [ "${1:-}" = --tap ]; then
	tap=yes
	shift
fi

c_files() { find src mpi include tests examples -name '*.[ch]' 2>/dev/null | sort; }
scripts() { find tests jobs tools .ci -name '*.sh' -o -name '*.bash' -o -name '*.sbatch' -o -path .ci/run -o -path 'tools/hooks/*' | sort; }

check_format() { c_files | xargs -d '\n' clang-format --dry-run -Werror 2>&1; }
check_shellcheck() { scripts | xargs -d '\n' shellcheck -x; }
check_spelling() {
	{ c_files && scripts && find . -maxdepth 1 -name '*.md' && find docs -type f; } | xargs -d '\n' codespell -L trian,nd
}
check_tidy() {
	# shellcheck disable=SC2086 # one word per file
	printf '%s\n' ${TIDY:-$(find src mpi -name '*.c')} |
		xargs -P "$(nproc)" -n 8 clang-tidy --quiet --warnings-as-errors='*' -p . 2>/dev/null
}

# missing TOOL: why it cannot be used, or nothing.
missing() {
	if ! command -v "$1" >/dev/null; then
		echo "$1 is not installed"
	elif [ "$1" = clang-format ] && ! clang-format --version | grep -q "version $FORMAT_VERSION\."; then
		echo "the sources are formatted with clang-format $FORMAT_VERSION"
	fi
}

# lint NAME TOOL
lint() {
	reason=$(missing "$2")
	if [ -n "$reason" ]; then
		if [ -n "$tap" ]; then
			echo "ok $1 # SKIP $reason"
		else
			echo "$1: $reason: run make deps" >&2
			failed=1
		fi
	elif out=$("check_$1"); then
		[ -z "$tap" ] || echo "ok $1"
	else
		failed=1
		[ -z "$tap" ] || echo "not ok $1"
		echo "$out"
	fi
}

[ $# -gt 0 ] || set -- format shellcheck spelling tidy
for name in "$@"; do
	case $name in
	format) lint format clang-format ;;
	shellcheck) lint shellcheck shellcheck ;;
	spelling) lint spelling codespell ;;
	tidy) lint tidy clang-tidy ;;
	*)
		echo "lint: unknown check: $name" >&2
		exit 64
		;;
	esac
done
exit $failed
