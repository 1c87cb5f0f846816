#!/bin/bash
# How long training waits for checkpoints: a line of JSON. Usage: save.sh BUILD MODEL [RANKS [FLAG...]], such as
#   save.sh build resnet50 2 --optimizer adamw
#
# Trains all of a network on a few small images, with a checkpoint every $EVERY steps [40], $SAVES of them [6]. "seconds" is
# what the training waited for all checkpoints, "longest" for one, usually the first, which also allocates the buffer;
# "processor_seconds" what its thread computed for them, which other programs on the machine do not change; "step" the mean
# time of a step, all included. A checkpoint waits for the one before it to be on disk: if EVERY steps take less than
# that, increase $EVERY. $SIZE: side of the images [32].
set -u
# shellcheck source=tests/soak/runs.bash
. "$(dirname "$0")/../soak/runs.bash"
model=$2 processes=${3:-1} every=${EVERY:-40} saves=${SAVES:-6}
trap 'rm -rf "$work"' EXIT
training_images=$(((every * saves + 1) * processes))
make_data
mpirun -q -np "$processes" "$thaw" train --data "$work/data" --model "$model" --unfreeze all --size "${SIZE:-32}" --bn frozen \
	--batch "$processes" --lanes "$processes" --epochs 1 --head-epochs 0 --lr 1e-5 --checkpoint-every "$every" --out "$run" \
	--json "${@:4}" >"$work/out" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }
bytes=$(find "$run" -name 'step-*.zst' -printf '%s\n' | sort -n | tail -n 1)
member() { grep -o "\"$1\": *[0-9.e+-]*" "$work/out" | head -n 1 | sed 's/.*: *//'; }
saved=$(tr -d '\n' <"$work/out" | grep -o '"saves": *{[^}]*}' | tr -s ' ')
step=$(awk "BEGIN { printf \"%.3f\", $(member seconds) / $(member steps) }")
echo "{\"model\": \"$model\", \"ranks\": $processes, \"flags\": \"${*:4}\", \"bytes\": $bytes, \"step\": $step, $saved}"
