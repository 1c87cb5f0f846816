#!/bin/bash
# The structure of the source is the picture in docs/design.md: modules depend only on modules below them, files do not
# depend on each other in a circle, only mpi/ uses MPI, and only src/cli prints and exits. Dependencies are what the
# linker sees (`nm` of the build's objects) and what is included. The tests that docs/inputs.md names exist. Usage: test_structure.sh THAW
#
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
root=$(realpath "$(dirname "$0")/../..")
build=$(dirname "$(realpath "$1")")
. "$(dirname "$0")/lib.bash"
cd "$root" || exit 1

# Library code that may call what the rules below forbid, with the reason.
allowed=(
	'mpi/comm.c _Exit' # a rank that failed alone must not hang the others: the job ends after MPI_Abort
	'mpi/watch.c _Exit' # the main thread hangs within MPI, or in MPI_Abort
	'src/tensor/dtype.c __assert_fail' # an argument that the interface excludes: a bug of the caller
)

# ---- What there is: modules, definitions, dependencies ---------------------------------------------------------------

# modules: "LEVEL MODULE" of each module in the picture; a line of it is a level, 1 is the top. "src/" is omitted there.
awk '/^\+[-+]+\+$/ { level++; next }
	level && /^\|/ { n = split($0, cell, "|"); for (i = 2; i < n; i++) { gsub(/ /, "", cell[i])
		if (cell[i] != "") print level, (cell[i] == "mpi" ? "" : "src/") cell[i] } next }
	level { exit }' docs/design.md >"$work/modules"

# symbols: "FILE U|D SYMBOL" of the objects of src/ and mpi/; objects whose source has gone are old, and left alone.
find src mpi -name '*.c' | sort >"$work/files"
sed "s|^|$build/|; s|c\$|o|" "$work/files" | xargs -d '\n' nm -g -P -A 2>/dev/null |
	sed -E "s|^$build/(.*)\.o: |\1.c |" | awk '{ print $1, ($3 == "U" || $3 == "w" ? "U" : "D"), $2 }' >"$work/symbols"

# calls: "FILE FILE SYMBOL", the first uses a symbol of the second.
awk 'NR == FNR { if ($2 == "D") file[$3] = $1; next }
	$2 == "U" && ($3 in file) && file[$3] != $1 { print $1, file[$3], $3 }' \
	"$work/symbols" "$work/symbols" >"$work/calls"

# includes: "FILE FILE LINE", of src/ and mpi/. A public header belongs to the module that defines its functions, to the
# lowest of them if there are several.
grep -rnoE '#include "[^"]+"' src mpi | sed -E 's/^([^:]+):([0-9]+):#include "(.*)"/\1 \3 \2/' >"$work/includes"
grep -oE '\b[a-z_0-9]+\(' include/thaw/*.h | sed -E 's|^include/||; s/[:(]/ /g' |
	awk 'NR == FNR { if ($2 == "D") file[$3] = $1; next } $2 in file { print $1, file[$2] }' "$work/symbols" - |
	sort -u >"$work/headers"

# upward EDGES: edges between modules that are not downward, as "FILE -> FILE: DETAIL". A file belongs to the module with
# the longest name that is a folder above it.
upward() {
	awk -v modules="$work/modules" -v headers="$work/headers" '
		function module(path) { while (sub(/\/[^\/]*$/, "", path)) if (path in level) return path; return "" }
		BEGIN {
			while ((getline line <modules) > 0) { split(line, f, " "); level[f[2]] = f[1] }
			while ((getline line <headers) > 0) { split(line, f, " "); m = module(f[2])
				if (m != "" && (!(f[1] in home) || level[m] > level[home[f[1]]])) home[f[1]] = m }
		}
		{ a = module($1); b = $2 in home ? home[$2] : module($2) }
		a != "" && b != "" && a != b && level[a] >= level[b] { print $1 " -> " $2 ": " $3 }' "$1"
}

# ---- Checks ----------------------------------------------------------------------------------------------------------

# empty FILE: as a condition; what is in it is shown when it fails.
empty() {
	[ ! -s "$1" ] || { sed 's/^/# /' "$1" | head -n 40 && false; }
}

run true
awk '{ print $2 }' "$work/modules" | while read -r module; do [ -d "$module" ] || echo "$module"; done >"$work/gone"
check "every module of the picture is a folder" empty "$work/gone"
check "... and there are at least 15" test "$(wc -l <"$work/modules")" -ge 15
awk 'NR == FNR { module[$2]; next }
	{ path = $1; while (sub(/\/[^\/]*$/, "", path)) if (path in module) next; print $1 }' \
	"$work/modules" "$work/files" >"$work/homeless"
check "every source file belongs to a module of the picture" empty "$work/homeless"
cut -d ' ' -f 1 "$work/symbols" | uniq | sort | comm -23 "$work/files" - >"$work/unbuilt"
check "every source file has an object in the build" empty "$work/unbuilt"

upward "$work/calls" >"$work/found"
check "no call to a module above or beside" empty "$work/found"
upward "$work/includes" >"$work/found"
check "no include of a module above or beside" empty "$work/found"
grep -E '^src/cli/[^ ]* src/' "$work/includes" | grep -vE ' src/(cli|base)/' >"$work/found"
check "src/cli includes public headers, and private ones of base only" empty "$work/found"
awk '{ print $1, $2 }' "$work/calls" | sort -u | tsort 2>"$work/found" >/dev/null
sed -i 's/^tsort: -: input contains a loop:/a circle:/; s/^tsort: //' "$work/found"
check "no files depend on each other in a circle" empty "$work/found"

grep -rnE '#include [<"]mpi\.h[>"]' src include >"$work/found"
awk '$1 ~ /^src\// && $2 == "U" && $3 ~ /^MPI_/ { print $1, $3 }' "$work/symbols" >>"$work/found"
check "only mpi/ uses MPI" empty "$work/found"

awk '$2 == "U" && $1 !~ /^src\/cli\// { print $1, $3 }' "$work/symbols" >"$work/uses"
ends='exit|_exit|_Exit|quick_exit|abort|raise|__assert_fail'
prints='stdout|stderr|puts|putchar|putchar_unlocked|perror|v?d?printf|__v?d?printf_chk|v?(err|warn)x?'
grep -E " ($ends|$prints)$" "$work/uses" | grep -vxFf <(printf '%s\n' "${allowed[@]}") >"$work/found"
check "only src/cli prints and ends the process" empty "$work/found"
printf '%s\n' "${allowed[@]}" | grep -vxFf "$work/uses" >"$work/found"
check "... and every exception to that is used" empty "$work/found"

# named_tests: "FILE: NAME" of the tests in docs/inputs.md, below tests/. A row is a line of a table, but not its head.
grep -E '^\| ' docs/inputs.md | grep -v '^| input ' >"$work/rows"
sed -E 's/.* \| ([^|]*) \|$/\1/' "$work/rows" | grep -oE '`[a-z]+/[^`]*`' | tr -d '\140' >"$work/named"
while IFS= read -r line; do
	file=tests/${line%%: *} name=${line#*: }
	case $file in
	*.c) grep -qF -e "static void $name(" -e "{\"$name\"," "$file" || echo "$line" ;;
	*) grep -qF "check \"$name\"" "$file" || echo "$line" ;;
	esac
done <"$work/named" >"$work/found" 2>&1
check "every test that docs/inputs.md names exists" empty "$work/found"
grep -vE '\| (`[a-z]+/test_[a-z_0-9]+\.(c|sh): [^`]+`(, )?)+ \|$' "$work/rows" >"$work/found"
check "... and each of its rows names one" empty "$work/found"
check "... of which there are at least 100" test "$(wc -l <"$work/rows")" -ge 100
finish
