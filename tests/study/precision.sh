#!/bin/bash
# Accuracy in fp32 and in bf16: the same fine-tunes with several seeds, and the mean of each kind.
#   precision.sh THAW MODEL DATA FOLDER ROW...
# ROW is what trains (thaw train --unfreeze: head, from:_blocks.11, all). Appends a line of JSON per run to
# FOLDER/precision.jsonl, skips runs that already have one, and prints a table. $PRECISIONS [fp32 bf16] and $SEEDS
# [1 2 3 4 5]; $FLAGS are more flags of thaw train, the same for all runs [--epochs 5 --views 1].
set -euo pipefail
thaw=$(realpath "$1") model=$2 data=$3 folder=$4
shift 4
flags=${FLAGS:---epochs 5 --views 1}
read -ra given <<<"$flags"
mkdir -p "$folder"
lines=$folder/precision.jsonl
touch "$lines"

# one ROW PRECISION SEED
one() {
	local key="$1 $2 $3 $flags"
	grep -qF "\"$key\"" "$lines" && return
	rm -rf "$folder/run"
	"$thaw" train --model "$model" --data "$data" --out "$folder/run" --unfreeze "$1" --precision "$2" --seed "$3" \
		--lanes 1 --eval-every 1000 "${given[@]}" >/dev/null 2>"$folder/log" || {
		echo "precision.sh: $key failed" >&2
		tail -n 1 "$folder/log" >&2
		return 1
	}
	jq -c --arg key "$key" --arg row "$1" --arg precision "$2" --argjson seed "$3" \
		'{key: $key, row: $row, precision: $precision, seed: $seed, top1, loss}' "$folder/run/result.json" >>"$lines"
}

for row; do
	for precision in ${PRECISIONS:-fp32 bf16}; do
		for seed in ${SEEDS:-1 2 3 4 5}; do
			one "$row" "$precision" "$seed"
		done
	done
done

# shellcheck disable=SC2016 # jq's variables
jq -rs --arg flags "$flags" 'def mean(name): map(.[name]) | add / length * 10000 | round / 10000;
	"| what trains | precision | runs | mean top-1, % | mean loss |", "|---|---|---|---|---|",
	([.[] | select(.key == "\(.row) \(.precision) \(.seed) \($flags)")] | group_by([.row, .precision])[] |
	"| `\(.[0].row)` | \(.[0].precision) | \(length) | \(mean("top1") * 10000 | round / 100) | \(mean("loss")) |")' "$lines"
