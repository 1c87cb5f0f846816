#!/bin/bash
# Runs all benchmarks and prints JSON lines: the machine, the programs of this folder, training compared with PyTorch if
# that is installed, and the frozen part compared with PyTorch, ONNX Runtime and OpenVINO. Usage: run.sh BUILD RANKS
#
# $PYTHON    Python with torch and torchvision [python3]
# $NETWORKS  networks to compare [all five]
# $DATA      a folder with train/ and test/: also compares fine-tunes of the last stage and of the head
# $SHARDS    a folder that thaw pack wrote: also compares reading it with webdataset
# $ROUNDS    repetitions of each comparison [3]
set -u
build=$1 ranks=$2
python=${PYTHON:-python3}
read -ra networks <<<"${NETWORKS:-resnet18 vgg16 resnet50 mobilenet_v2 efficientnet_lite0}"
here=$(dirname "$0")
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE # measure the machine's own kernels

machine=$("$build/thaw" doctor --json) || exit
echo "$machine"
# The OpenBLAS kernels that thaw uses: it corrects an OpenBLAS that does not know the processor.
OPENBLAS_CORETYPE=$(sed -E 's/.*"core": "([^"]*)".*/\1/' <<<"$machine")
export OPENBLAS_CORETYPE
for source in "$here"/*.c; do
	bench=$build/tests/bench/$(basename "$source" .c)
	if [ "$(basename "$bench")" = bench_shards ]; then
		[ -z "${SHARDS:-}" ] || "$bench" "$SHARDS" || exit
	elif grep -q mpi.h "$source"; then
		mpirun --oversubscribe -np "$ranks" "$bench" || exit
	else
		"$bench" || exit
	fi
done

if ! "$python" -c 'import torch, torchvision' 2>/dev/null; then
	echo "no comparison with PyTorch: $python has no torch and torchvision" >&2
	exit
fi
against_peers() { "$python" "$here/$1.py" --build "$build" --ranks "$ranks" --rounds "${ROUNDS:-3}" "${@:2}"; }
if [ -n "${DATA:-}" ]; then
	"$python" "$here/input.py" "$DATA" --program "$build/tests/bench/bench_input" || exit
fi
if [ -n "${SHARDS:-}" ]; then
	"$python" "$here/shards.py" "$SHARDS" --program "$build/tests/bench/bench_shards" || exit
fi
for network in "${networks[@]}"; do
	against_peers compare all "$network" || exit
	against_peers compare all "$network" --bn lane || exit
	against_peers inference "$network" || exit
	[ -z "${DATA:-}" ] && continue
	against_peers compare last "$network" --data "$DATA" || exit
	against_peers compare head "$network" --data "$DATA" || exit
done
