#!/bin/bash
# Each public header compiles alone, in C and in C++, and thaw.h includes all but mpi.h. Usage: test_headers.sh THAW
# shellcheck disable=SC2016 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
root=$(realpath "$(dirname "$0")/../..")
. "$(dirname "$0")/lib.bash"
flags=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$root/include")
read -ra jansson <<<"$(pkg-config --cflags jansson)"

for path in "$root"/include/thaw/*.h; do
	header=thaw/${path##*/}
	printf '#include <%s>\ntypedef int not_empty;\n' "$header" >"$work/c.c"
	cp "$work/c.c" "$work/cc.cc"
	run "${CC:-cc}" -std=c17 "${flags[@]}" "${jansson[@]}" "$work/c.c"
	check "$header in C17" exits 0
	run "${CXX:-c++}" -std=c++17 "${flags[@]}" "${jansson[@]}" "$work/cc.cc"
	check "$header in C++17" exits 0
	case $header in
	thaw/thaw.h) ;;
	thaw/mpi.h) check "thaw.h does not include $header" eval '! grep -qF "\"$header\"" "$root/include/thaw/thaw.h"' ;;
	*) check "thaw.h includes $header" grep -qF "\"$header\"" "$root/include/thaw/thaw.h" ;;
	esac
done
finish
