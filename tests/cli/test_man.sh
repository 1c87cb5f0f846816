#!/bin/bash
# The man page and --help have the same text for every flag. Usage: test_man.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
page=$(realpath "$(dirname "$0")/../../docs/thaw.1")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# Reads --help from stdin and prints one line "--flag VALUE: help text" per flag. Flags start at column 3; their help text
# follows after two or more spaces, or on indented lines.
flags_of_help() {
	awk '/^  --/ { if (line) print line; line = substr($0, 3); if (!sub(/  +/, ": ", line)) line = line ":"; next }
		/^          / && line { sub(/^ +/, " "); line = line $0; next }
		line { print line; line = "" }'
}
# The same from one subsection of the man page.
flags_of_page() {
	awk -v section="$1" '/^\.S[SH] / { on = $0 == ".SS " section; next }
		!on { next }
		/^\.TP/ { printf "%s", (flag++ ? "\n" : ""); name = 1; next }
		name { sub(/^\.BI? /, ""); gsub(/\\-/, "-"); gsub(/"/, ""); sub(/  +/, " "); printf "%s:", $0; name = 0; next }
		{ gsub(/\\-/, "-"); printf " %s", $0 }
		END { if (flag) print "" }' "$page"
}

for c in advise train eval compare predict embed networks inspect verify export pack bench check doctor; do
	run "$thaw" $c --help
	sed '/^Common:/,$d' out | flags_of_help >help.txt
	flags_of_page $c >page.txt
	check "$c: man page and --help agree" diff help.txt page.txt
	check "$c: the man page describes the command" grep -q "^\.B $c" "$page"
done
sed -n '/^Common:/,$p' out | flags_of_help >help.txt
flags_of_page "all commands" >page.txt
check "flags of all commands: man page and --help agree" diff help.txt page.txt
check "the man page has these flags" test "$(wc -l <page.txt)" -ge 4

run man --warnings -E UTF-8 -l -Tutf8 "$page"
if [ "$code" -eq 127 ]; then
	skip "the man page is well formed" "man is not installed"
else
	check "the man page is well formed" eval 'exits 0 && [ ! -s err ]'
fi

finish
