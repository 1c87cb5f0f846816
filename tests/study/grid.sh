#!/bin/bash
# The truth: a full fine-tuning for every cut and learning rate on every cell, and one with fastai's default recipe.
#   grid.sh THAW FOLDER JOBS
# Reads FOLDER/data (data.sh) and FOLDER/networks (network_line in cells.bash); appends one line of JSON per run to
# FOLDER/truth.jsonl. Skips runs that already have a line, so it resumes where it was stopped.
set -euo pipefail
thaw=$(realpath "$1") folder=$(realpath "$2") jobs=$3
here=$(realpath "$(dirname "$0")")
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"
export thaw folder here OPENBLAS_NUM_THREADS=1

# settings NETWORK IMAGES CUT RATE: the flags of one run.
settings() {
	local network=$1 cut=$3 rate=$4 batch head_epochs epochs
	read -r batch head_epochs epochs <<< "$(recipe "$2")"
	echo --optimizer adamw --lanes 1 --unfreeze "$cut"
	if [ "$rate" = fastai ]; then
		# fine_tune(): a head epoch at 2e-3, then everything, one cycle, at 1e-3 down to 1e-5 for the first layers,
		# AdamW, norms by the batch
		echo --batch 32 --bn lane --head-epochs 1 --head-lr 0.002 --epochs "$epochs" --lr 0.001 --warmup 0.25
		echo --layer-decay "$(fastai_decay "$network")"
	elif [ "$cut" = head ]; then
		echo --batch "$batch" --epochs $((head_epochs + epochs)) --lr "$rate"
	else
		echo --batch "$batch" --head-epochs "$head_epochs" --epochs "$epochs" --lr "$rate" --head-lr 0.003
	fi
}

# train RUN MODEL DATASET PER_CLASS SIZE SETTINGS...: one run in the folder RUN; user and system seconds in RUN/time. If
# the loss becomes NaN, --lr was too high, and the result is an accuracy of 0.
train() {
	local run=$1 model=$2 dataset=$3 per_class=$4 size=$5
	shift 5
	TIMEFORMAT='%U %S'
	{ time "$thaw" train --json --model "$model" --data "$folder/data/$dataset" --size "$size" \
		--per-class "$per_class" --eval-every 1000 --checkpoint-every 100000 --out "$run" "$@" \
		> "$run/result" 2> "$run/log"; } 2> "$run/time" && return
	grep -q 'not finite' "$run/log" && echo '{"top1": 0}' > "$run/result"
}

# one "NETWORK DATASET PER_CLASS CUT RATE": does one run and appends its line.
one() {
	local key=$1 network dataset per_class cut rate sides model run
	# shellcheck source=tests/study/cells.bash
	source "$here/cells.bash"
	read -r network dataset per_class cut rate <<< "$key"
	grep -qsF "\"$key\"" "$folder/truth.jsonl" && return
	read -r _ sides model _ <<< "$(network_line "$folder" "$network")"
	run=$(mktemp -d "$folder/run.XXXXXX")
	# shellcheck disable=SC2046 # flags are words
	if train "$run" "$model" "$dataset" "$per_class" "$(size_of "$dataset" "$sides")" \
		$(settings "$network" "$(images_of "$dataset" "$per_class")" "$cut" "$rate"); then
		jq -c --arg key "$key" --argjson cpu "$(awk '{print $1 + $2}' "$run/time")" \
			'{key: $key, top1, loss, cpu_seconds: $cpu}' "$run/result" > "$run/line"
		cat "$run/line" >> "$folder/truth.jsonl"
	else
		echo "grid.sh: $key failed: $(tail -n 1 "$run/log")" >&2
		rm -r "$run"
		return 1
	fi
	rm -r "$run"
}
export -f one train settings

cells | while read -r network dataset per_class; do
	read -r _ _ _ cuts <<< "$(network_line "$folder" "$network")"
	for cut in $cuts; do
		[ "$cut" = head ] && tried=$head_rates || tried=$rates
		for rate in $tried; do
			echo "$network $dataset $per_class $cut $rate"
		done
	done
	echo "$network $dataset $per_class all fastai"
done | xargs -d '\n' -n 1 -P "$jobs" bash -c 'one "$@"' -
