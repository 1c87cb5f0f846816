#!/bin/bash
# CIFAR-10 as images, binary files, pickles and tar shards gives the same accuracy to the last image, and the same weights.
# Usage: cifar_forms.sh THAW IMAGES FOLDER [FORM...]
# IMAGES is a folder with train/ and test/, each with one folder per class. FOLDER receives the forms (cifar_forms.py,
# with the Python of $PYTHON, which needs NumPy and Pillow, and thaw pack) and the runs. FORMs are further datasets of the
# same images in the same order, such as shards of other programs. Prints, for each form, the correct test images by the
# built-in network, and those of a run of one epoch ($FLAGS: its further flags), and the digest of its weights. Fails if
# they differ.
set -euo pipefail
thaw=$1 images=$2 folder=$3
shift 3
mkdir -p "$folder"
log=$folder/log
[ -f "$folder/pickle4/batches.meta" ] || "${PYTHON:-python3}" "$(dirname "$0")/cifar_forms.py" "$images" "$folder"
"$thaw" pack "$folder/png" "$folder/shards" --shards 4 >/dev/null 2>"$log"
read -ra flags <<<"${FLAGS:-}"
rm -f "$folder/lines.new"

# member FILE NAME: a number of a JSON file.
member() { grep -oE "\"$2\": *[0-9.e-]+" "$1" | head -n 1 | sed 's/.*: *//'; }
# correct FILE: the number of correct images.
correct() { awk -v top1="$(member "$1" top1)" -v images="$(member "$1" images)" 'BEGIN { printf "%.0f", top1 * images }'; }
for form in "$folder"/{png,binary,pickle2,pickle4,shards} "$@"; do
	"$thaw" eval --model builtin --data "$form" --json 2>>"$log" >"$folder/eval.json"
	rm -rf "$folder/run"
	"$thaw" train --model builtin --data "$form" --out "$folder/run" --epochs 1 --unfreeze head \
		"${flags[@]}" >/dev/null 2>>"$log"
	printf '%s: ' "$form"
	printf '%s of %s correct by builtin, %s by a run, weights %.16s\n' "$(correct "$folder/eval.json")" \
		"$(member "$folder/eval.json" images)" "$(correct "$folder/run/result.json")" \
		"$(sha256sum <"$folder/run/model.safetensors")" | tee -a "$folder/lines.new"
done
sort -u "$folder/lines.new" >"$folder/lines"
rm "$folder/lines.new"
[ "$(wc -l <"$folder/lines")" -eq 1 ]
