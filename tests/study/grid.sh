#!/bin/bash
# The truth: every cut and learning rate on every cell, each a whole fine-tuning, and fastai's default recipe beside it.
#   grid.sh THAW FOLDER JOBS
# Reads FOLDER/data (data.sh) and FOLDER/networks, lines of NAME SIZE/SIZE MODEL CUT... with the
# sides for photographs and for small images; appends one line of JSON a run to
# FOLDER/truth.jsonl. Runs whose line is there are passed over, so it goes on where it was stopped.
set -euo pipefail

rates="0.0001 0.0003 0.001"
head_rates="0.001 0.003 0.01" # a classifier from random weights has further to go
thaw=$(realpath "$1") folder=$(realpath "$2") jobs=$3
here=$(realpath "$(dirname "$0")")
export thaw folder OPENBLAS_NUM_THREADS=1
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"

# one NETWORK SIZE MODEL DATASET PER_CLASS CUT RATE: one fine-tuning; RATE fastai is its default recipe.
one() {
	local network=$1 size model=$3 dataset=$4 per_class=$5 cut=$6 rate=$7 how out start
	local key="$network $dataset $per_class $cut $rate"
	grep -qsF "\"$key\"" "$folder/truth.jsonl" && return
	size=$(size_of "$dataset" "$2")
	out=$(mktemp -d "$folder/run.XXXXXX")
	read -r batch head_epochs epochs <<< "$(recipe "$(images_of "$dataset" "$per_class")")"
	how="--optimizer adamw --lanes 1 --batch $batch --head-epochs $head_epochs --epochs $epochs --lr $rate --head-lr 0.003"
	[ "$cut" = head ] && how="--optimizer adamw --lanes 1 --batch $batch --epochs $((head_epochs + epochs)) --lr $rate"
	# fine_tune(): a head epoch at 2e-3, then everything, one cycle, at 1e-3 down to 1e-5 for the first layers, AdamW,
	# norms by the batch
	[ "$rate" = fastai ] && how="--optimizer adamw --lanes 1 --batch 32 --bn lane --head-epochs 1 --head-lr 0.002
		--epochs $epochs --lr 0.001 --layer-decay $(fastai_decay "$network") --warmup 0.25"
	# shellcheck disable=SC2086
	{ TIMEFORMAT='%U %S'; time "$thaw" train --json --model "$model" --data "$folder/data/$dataset" \
		--size "$size" --per-class "$per_class" --unfreeze "$cut" $how \
		--eval-every 1000 --checkpoint-every 100000 --out "$out" > "$out/result" 2> "$out/log"; } 2> "$out/time" ||
		grep -q "no longer a number\|is no number" "$out/log" || # else too high a rate: an accuracy of 0
		{ echo "grid.sh: $key failed: $(tail -n 1 "$out/log")" >&2; return 255; }
	[ -s "$out/result" ] || echo '{"top1":0}' > "$out/result"
	jq -c --arg key "$key" --argjson cpu "$(awk '{print $1 + $2}' "$out/time")" \
		'{key: $key, top1: .top1, loss: .loss, cpu_seconds: $cpu}' "$out/result" > "$out/line"
	cat "$out/line" >> "$folder/truth.jsonl"
	rm -r "$out"
}
export -f one

for cell in $cells; do
	while read -r network size model cuts; do
		for cut in $cuts; do
			[ "$cut" = head ] && set -- $head_rates || set -- $rates
			for rate; do
				echo "$network $size $model ${cell/:/ } $cut $rate"
			done
		done
		echo "$network $size $model ${cell/:/ } all fastai"
	done < "$folder/networks"
done | xargs -P "$jobs" -L 1 bash -c 'one "$@"' -
