#!/bin/sh
# Runs fuzz targets of a build. Usage: tests/fuzz/run.sh BUILD SECONDS [TARGET...]
#
# SECONDS may be 0, no limit, where $FUZZ_RUNS gives the number of inputs of each target.
# Each target starts from its kept corpus, tests/fuzz/corpus/TARGET, and from files that other tests have. Interesting
# inputs are kept in BUILD/corpus/TARGET and used by the next run. An input that crashes the target, takes longer than
# 10 seconds or more than 2 GB is written to BUILD/TARGET-..., and the report goes to stderr.
set -eu
build=$1 seconds=$2
shift 2
if [ $# -eq 0 ]; then
	for source in tests/fuzz/fuzz_*.c; do
		set -- "$@" "$(basename "$source" .c)"
	done
fi
TMPDIR=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)")
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT

for target; do
	case $target in
	fuzz_image) from=tests/golden/images ;;
	fuzz_weights) from=tests/golden ;;
	fuzz_onnx) from=/usr/share/libonnx-testdata/data/node ;;
	*) from= ;;
	esac
	mkdir -p "$build/corpus/$target"
	echo "$target: ${FUZZ_RUNS:+$FUZZ_RUNS inputs, }$seconds s"
	# shellcheck disable=SC2086 # $from is one folder or none
	nice -n 19 "$build/tests/fuzz/$target" -max_total_time="$seconds" -runs="${FUZZ_RUNS:--1}" -artifact_prefix="$build/$target-" -timeout=10 \
		-rss_limit_mb=2048 -max_len=65536 -verbosity=0 -print_funcs=0 -print_final_stats=1 \
		"$build/corpus/$target" "tests/fuzz/corpus/$target" $from
done
