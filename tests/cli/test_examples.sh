#!/bin/bash
# The examples build against an installed Thaw, with the shared and the static libraries, and run. Usage:
# test_examples.sh THAW
#
# They see the installation only: headers, libraries and pkg-config files below a temporary prefix.
# shellcheck disable=SC2016 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
root=$(realpath "$(dirname "$0")/../..")
. "$(dirname "$0")/lib.bash"
build=$(dirname "$thaw")
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig OMPI_MCA_mpi_yield_when_idle=1
cd "$work" || exit 1

run make --no-print-directory -C "$root" BUILD="$build" PREFIX="$work/prefix" install
check "make install" exits 0
check "the installed program runs" eval '[[ $(prefix/bin/thaw --version) == "thaw $(pkg-config --modversion thaw) (build "* ]]'

mkdir data
idx data/train 64
idx data/t10k 22
run "$thaw" train --model cifar_resnet8 --data data --size 16 --unfreeze head --epochs 1 --out trained
check "a network to predict with" exits 0
run "$thaw" export trained --onnx network.onnx
check "an ONNX file to import" exits 0
image=$root/tests/golden/images/exif1.jpg

# examples KIND MAKE-ARGUMENT...
examples() {
	local kind=$1
	shift
	cp -r "$root/examples" "$kind"
	run make -C "$kind" CFLAGS="-O1 -Wall -Wextra -Werror" "$@"
	check "$kind: the examples build" exits 0

	run "$kind/operator"
	check "$kind: operator learns XOR" eval 'exits 0 && tail -n 1 out | grep -q "4 of 4"'
	run "$kind/loop" cifar_resnet8 data 8
	check "$kind: loop" eval 'exits 0 && [ "$(grep -c "^step" out)" -eq 8 ] && out_has "digest of the weights"'
	cp out "$kind-1"
	run mpirun -n 2 "$kind/loop" cifar_resnet8 data 8
	check "$kind: loop gives the same weights with 2 ranks" eval 'exits 0 && cmp -s out '"$kind-1"
	run "$kind/loop" cifar_resnet8 nowhere 8
	check "$kind: loop reports a missing folder" exits 74 "nowhere"
	run mpirun -n 2 "$kind/train" cifar_resnet8 data "$kind-run"
	check "$kind: train" eval 'exits 0 && [ "$(member status)" = done ] && [ -s '"$kind-run/model.safetensors ]"
	run "$kind/predict" trained "$image" "$image"
	check "$kind: predict" eval 'exits 0 && [ "$(wc -l <out)" -eq 2 ] && out_has "exif1.jpg: "'
	run "$kind/predict" trained data/train-labels-idx1-ubyte
	check "$kind: predict reports a file that is not an image" exits 65 "train-labels"
	run "$kind/onnx" network.onnx 3 last:1 "$kind.onnx"
	check "$kind: onnx" eval 'exits 0 && out_has "trunk: " && [ -s '"$kind.onnx ]"
	run "$thaw" inspect "$kind.onnx" --json
	check "$kind: the exported network has 3 classes" eval 'exits 0 && [ "$(member classes)" -eq 3 ]'
}

export LD_LIBRARY_PATH=$work/prefix/lib
examples shared
unset LD_LIBRARY_PATH
rm "$work"/prefix/lib/*.so*
examples static STATIC=1
check "both give the same weights" cmp -s shared-1 static-1
finish
