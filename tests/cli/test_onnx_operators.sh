#!/bin/bash
# docs/onnx-operators.md matches the results of the node tests. Usage: test_onnx_operators.sh THAW
# shellcheck disable=SC2154 # lib.bash assigns
# shellcheck source=tests/cli/lib.bash
page=$(realpath "$(dirname "$0")/../../docs/onnx-operators.md")
. "$(dirname "$0")/lib.bash"
tests=$(dirname "$thaw")/tests/unit/test_onnx_nodes

if [ -d /usr/share/libonnx-testdata ]; then
	run "$tests" --table
	check "docs/onnx-operators.md is what $(basename "$tests") --table prints" diff "$page" "$work/out"
else
	skip "docs/onnx-operators.md" "package libonnx-testdata is not installed"
fi
finish
