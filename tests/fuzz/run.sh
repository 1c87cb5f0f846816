#!/bin/sh
# Runs each fuzz target of a build. Usage: tests/fuzz/run.sh BUILD SECONDS
#
# Interesting inputs are kept in BUILD/corpus/TARGET and used by the next run. An input that crashes the target is written
# to BUILD/TARGET-crash-..., and the report goes to stderr.
set -eu
build=$1 seconds=$2
seeds=$build/seeds
mkdir -p "$seeds"
for file in tests/golden/*.safetensors; do
	zstd -q -f --check "$file" -o "$seeds/$(basename "$file").zst"
done

for source in tests/fuzz/fuzz_*.c; do
	target=$(basename "$source" .c)
	case $target in
	fuzz_image) from=tests/golden/images ;;
	fuzz_checkpoint) from=$seeds ;;
	fuzz_onnx) from=/usr/share/libonnx-testdata/data/node ;;
	*) from=tests/golden ;;
	esac
	mkdir -p "$build/corpus/$target"
	echo "$target: $seconds s"
	"$build/tests/fuzz/$target" -max_total_time="$seconds" -artifact_prefix="$build/$target-" -timeout=10 \
		-max_len=65536 -verbosity=0 -print_funcs=0 -print_final_stats=1 "$build/corpus/$target" "$from"
done
