#!/bin/sh
# Faults in the system calls of a checkpoint save. Usage: tests/faults/run.sh BUILD
#
# The library is linked as the shared one, so that its calls go through what preload.c puts before libc.
set -eu
build=$(mkdir -p "$1" && cd "$1" && pwd)
cc=${CC:-cc}
out=$build/tests/faults
mkdir -p "$out"
make --no-print-directory -s BUILD="$1" "$1/libthaw.so"
$cc -std=c17 -D_GNU_SOURCE -O1 -Wall -Wextra -shared -fPIC tests/faults/preload.c -o "$out/preload.so" -ldl
$cc -std=c17 -D_GNU_SOURCE -O1 -g -Wall -Wextra -Iinclude -I. tests/faults/checkpoint.c -o "$out/checkpoint" \
	"$build/libthaw.so" -lcmocka -Wl,-rpath,"$build"
ln -sf libthaw.so "$build/libthaw.so.0"
exec "$out/checkpoint" "$out/preload.so"
