#!/bin/bash
# The advice: one run of thaw advise on every cell.
#   advise.sh THAW FOLDER JOBS
# Reads the same files as grid.sh; appends one line of JSON per cell to FOLDER/advice.jsonl. Skips cells that already
# have a line by the same program.
set -euo pipefail
thaw=$(realpath "$1") folder=$(realpath "$2") jobs=$3
here=$(realpath "$(dirname "$0")")
lanes=4
digest=$(sha256sum "$thaw" | cut -c 1-16)
export thaw folder here lanes digest OPENBLAS_NUM_THREADS=1
# shellcheck source=tests/study/cells.bash
source "$here/cells.bash"

# Converts advice to its line: the chosen plan or, without one, nulls and the sentences that explain why.
# shellcheck disable=SC2016 # jq's variables
export to_line='(if .plan == null then null else .plans[.plan] end) as $plan | {key: $key, thaw: $thaw,
	unfreeze: $plan.train.unfreeze, lr: $plan.train.lr, train: $plan.train, expected: $plan.expected,
	cpu_seconds: $cpu, similarity: .similarity.figure, quadrant, worth, words}'

# warn_of_recipe KEY LINE IMAGES: warns if the plan does not use the recipe of the grid, which is then not its truth.
warn_of_recipe() {
	local batch head_epochs epochs
	read -r batch head_epochs epochs <<< "$(recipe "$3")"
	jq -e --argjson batch "$batch" --argjson head "$head_epochs" --argjson epochs "$epochs" '.train | . == null or
		.batch == $batch and .optimizer == "adamw" and (if .unfreeze == "head" then .epochs == $head + $epochs
		else .epochs == $epochs and .["head-epochs"] == $head end)' "$2" > /dev/null ||
		echo "advise.sh: $1: the plan does not use the recipe of the grid" >&2
}

# one "NETWORK DATASET PER_CLASS": gets the advice for a cell and appends its line.
one() {
	local key=$1 network dataset per_class sides model run
	# shellcheck source=tests/study/cells.bash
	source "$here/cells.bash"
	read -r network dataset per_class <<< "$key"
	grep -sF "\"$key\"" "$folder/advice.jsonl" | grep -F "\"thaw\":\"$digest\"" > /dev/null && return
	read -r _ sides model _ <<< "$(network_line "$folder" "$network")"
	run=$(mktemp -d "$folder/advise.XXXXXX")
	TIMEFORMAT='%U %S'
	if { time "$thaw" advise --json --model "$model" --data "$folder/data/$dataset" --per-class "$per_class" \
		--size "$(size_of "$dataset" "$sides")" --lanes "$lanes" --out "$run/out" \
		> "$run/result" 2> "$run/log"; } 2> "$run/time"; then
		jq -c --arg key "$key" --arg thaw "$digest" --argjson cpu "$(awk '{print $1 + $2}' "$run/time")" \
			"$to_line" "$run/result" > "$run/line"
		warn_of_recipe "$key" "$run/line" "$(images_of "$dataset" "$per_class")"
		cat "$run/line" >> "$folder/advice.jsonl"
		rm -r "$run"
	else
		echo "advise.sh: $key failed: $(tail -n 1 "$run/log")" >&2
		rm -r "$run"
		return 1
	fi
}
export -f one warn_of_recipe

cells | xargs -d '\n' -n 1 -P "$jobs" bash -c 'one "$@"' -
