#!/bin/bash
# A file includes only its own floor and floors below (docs/design.md). Usage: test_floors.sh THAW
# shellcheck source=tests/cli/lib.bash
sources=$(realpath "$(dirname "$0")/../../src")
. "$(dirname "$0")/lib.bash"
floors=(base tensor report comm ops data graph onnx model checkpoint train advise cli)

# without FLOOR OTHER...: no file of the floor includes one of the others; grep finds nothing.
without() {
	local floor=$1
	shift
	run grep -rnE "#include \"src/($(IFS='|' && echo "$*"))/" "$sources/$floor"
	exits 1
}

for ((i = 0; i < ${#floors[@]} - 1; i++)); do
	check "src/${floors[i]} includes no floor above it" without "${floors[i]}" "${floors[@]:i+1}"
done
check "src/cli uses the public headers, but for the ground" without cli "${floors[@]:1:11}"
finish
