#!/bin/sh
# Runs a fuzz target once on each file of its kept corpus. Usage: tests/replay.sh build/tests/replay/fuzz_NAME
target=$1
name=${target##*/}
set -- "tests/fuzz/corpus/$name"
[ "$name" = fuzz_image ] && set -- "$@" tests/golden/images
[ "$name" = fuzz_weights ] && set -- "$@" tests/golden
scratch=$(mktemp -d)
TMPDIR=$scratch "$target" "$@"
code=$?
rm -rf "$scratch"
exit $code
