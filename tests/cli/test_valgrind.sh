#!/bin/bash
# The commands under valgrind: no invalid access, no leak. Usage: test_valgrind.sh THAW
#
# One process without mpirun, so that MPI is not initialised and all findings are in this program.
# shellcheck disable=SC2016,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

if ! command -v valgrind >/dev/null; then
	skip "valgrind" "it is not installed"
	finish
	exit
fi

# Valgrind does not support AVX-512. Thaw queries the emulated processor; OpenBLAS needs this variable.
export OPENBLAS_CORETYPE=Haswell
FOUND=99 # exit code if valgrind finds an error
grind=(valgrind --quiet --error-exitcode="$FOUND" --leak-check=full --errors-for-leak-kinds=definite
	--show-leak-kinds=definite "$thaw")
LIMIT=3000 # seconds for one command, so that a hang becomes a failure; on an idle core the slowest takes 60

# under_valgrind NAME COMMAND...: the command succeeds and valgrind finds no error.
under_valgrind() {
	local name=$1
	shift
	command="valgrind thaw $*"
	timeout $LIMIT "${grind[@]}" "$@" >out 2>err </dev/null
	code=$?
	check "$name" eval '[ $code -eq 0 ] && ! grep -q "^==" err'
}

mkdir -p data/{train,test}/{gray,red}
for split in train test; do
	base64 -d >data/$split/gray/1.png <<<iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR42mMIwAEYhpYEAHIhPAETojrKAAAAAElFTkSuQmCC
	base64 -d >data/$split/red/1.png <<<iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII=
	head -c 50 data/$split/red/1.png >data/$split/red/damaged.png
done
under_valgrind "train" train --model cifar_resnet8 --data data --size 8 --unfreeze all --bn lane --batch 2 --lanes 2 \
	--epochs 1 --checkpoint-every 1 --out run
under_valgrind "eval" eval --model run --data data --json
check "eval counts the damaged image" test "$(member damaged)" = 1
for class in gray red; do
	for copy in 2 3; do cp data/train/$class/1.png data/train/$class/$copy.png; done
done
under_valgrind "advise" advise --data data --size 8 --out advice
under_valgrind "compare" compare --data data --size 8 builtin cifar_resnet8
under_valgrind "predict" predict --model run data/test/red/1.png
under_valgrind "inspect" inspect run --layers
under_valgrind "bench" bench --model cifar_resnet8 --size 8 --batch 2 --steps 1
under_valgrind "train with cached features" train --model cifar_resnet8 --data data --size 8 --batch 2 --lanes 2 \
	--epochs 3 --views 1 --cache-dir features --out kept
under_valgrind "export" export run --safetensors half.safetensors --half
under_valgrind "export --onnx" export run --onnx network.onnx --fold-bn --verify data/test/red/1.png

finish
