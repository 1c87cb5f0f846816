#!/bin/bash
# The libraries export what the public headers declare: no symbol more and none less. Usage: test_symbols.sh THAW
# shellcheck disable=SC2016 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
root=$(realpath "$(dirname "$0")/../..")
. "$(dirname "$0")/lib.bash"
build=$(dirname "$thaw")
read -ra flags <<<"-std=c17 -I$root/include $(pkg-config --cflags jansson)"
command="make lib-mpi"
make --no-print-directory -s -C "$root" BUILD="$build" lib-mpi >"$work/out" 2>"$work/err"
code=$?
check "the libraries are built" test $code -eq 0

# declared HEADER: the functions (gcc's list of prototypes) and data that it and the headers under it declare.
declared() {
	echo "#include \"$1\"" >"$work/include.c"
	{
		gcc "${flags[@]}" -fsyntax-only -aux-info "$work/prototypes" "$work/include.c" &&
			sed -nE 's|^/\* [^ ]*include/thaw/[^(]*[ *]([a-zA-Z0-9_]+) \(.*|\1|p' "$work/prototypes"
		gcc "${flags[@]}" -E "$work/include.c" |
			sed -nE 's/^extern [^(]*[ *](thaw_[a-z0-9_]+)(\[[^]]*\])?;$/\1/p'
	} | sort -u
}

shared() { nm -D --defined-only "$build/$1.so" | awk '{ print $3 }' | sort; }
static() { nm -g --defined-only "$build/$1.a" | awk 'NF == 3 { print $3 }' | sort; }

# same KIND LIBRARY: its symbols are those of $work/declared.
same() {
	command="nm $2"
	"$1" "$2" | diff "$work/declared" - >"$work/out"
}

declared thaw/thaw.h >"$work/declared"
check "thaw.h declares functions and data" eval \
	'[ "$(wc -l <"$work/declared")" -gt 100 ] && grep -qx thaw_train "$work/declared" && grep -qx thaw_ops "$work/declared"'
check "every name begins with thaw_" eval '! grep -vq "^thaw_" "$work/declared"'
check "libthaw.so exports what thaw.h declares" same shared libthaw
check "libthaw.a exports what thaw.h declares" same static libthaw

mv "$work/declared" "$work/thaw"
declared thaw/mpi.h | comm -23 - "$work/thaw" >"$work/declared"
check "mpi.h declares functions" test -s "$work/declared"
check "libthaw-mpi.so exports what mpi.h declares" same shared libthaw-mpi
check "libthaw-mpi.a exports what mpi.h declares" same static libthaw-mpi
finish
