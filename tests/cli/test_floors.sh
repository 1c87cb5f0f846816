#!/bin/bash
# A file includes only its own floor and floors below (docs/design.md). Usage: test_floors.sh THAW
# shellcheck disable=SC2154 # lib.bash assigns
# shellcheck source=tests/cli/lib.bash
sources=$(realpath "$(dirname "$0")/../../src")
. "$(dirname "$0")/lib.bash"
floors=(base tensor report comm ops data graph onnx model checkpoint train cli)

# Prints the includes of a floor's files that are of none of the floors given.
includes_beyond() {
	local floor=$1
	shift
	grep -rn '#include "src/' "$sources/$floor" | grep -vE "\"src/($(IFS='|' && echo "$*"))/"
}

below=()
for floor in "${floors[@]}"; do
	below+=("$floor")
	beyond=$(includes_beyond "$floor" "${below[@]}")
	check "src/$floor includes no floor above it $beyond" [ -z "$beyond" ]
done
beyond=$(includes_beyond cli base cli)
check "src/cli uses the public headers $beyond" [ -z "$beyond" ]
finish
