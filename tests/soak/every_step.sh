#!/bin/bash
# A small run of 44 steps, stopped after each step on 1, 2, 3, 4 or 8 ranks and continued on another number: the same
# weights, and the same metrics, whose losses depend on the samples and their order.
# Usage: every_step.sh BUILD [STRIDE [PASSES]]
#
# Every STRIDE-th step, [1], with PASSES rank counts each, [all 5]. The stop is exact: each run keeps all its checkpoints,
# and a start gets the folder as it was after a step. $KEEP_WORK keeps the folder of the runs.
# shellcheck disable=SC2317 # cleanup is called by the trap
set -u
# shellcheck source=tests/soak/runs.bash
. "$(dirname "$0")/runs.bash"
stride=${2:-1} passes=${3:-5}
sizes=(1 2 3 4 8)
LAST=44

if [ ! -d "$source" ]; then
	rm -rf "$work"
	echo "ok stopped at every step # SKIP no $source"
	exit 0
fi
cleanup() { [ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"; }
trap cleanup EXIT

train() { # train RANKS OUT
	mpirun -q -np "$1" "$thaw" "${args[@]}" --epochs 3 --head-epochs 1 --eval-every 5 --checkpoint-every 1 --keep $LAST \
		--out "$2" >"$2.log" 2>&1
}
# stopped_at STEP FROM: a run folder as it was when the run FROM had done STEP steps. Metrics of later steps may be there.
stopped_at() {
	rm -rf "$run"
	mkdir "$run"
	cp "$2"/{config.json,origin.json,metrics.jsonl,step-"$1".safetensors.zst} "$run"
}

make_data
for size in "${sizes[@]}"; do
	[ "$size" -le 2 ] || [ "$passes" -eq 5 ] || continue
	train "$size" "$work/on-$size"
	check "$size ranks: the weights and metrics of one" same "$work/on-$size" "$work/on-1"
	check "$size ranks: $LAST checkpoints" test "$(find "$work/on-$size" -name 'step-*' | wc -l)" -eq $LAST
done
[ $failed -eq 0 ] || exit 1
resumed=0 other=0
for ((pass = 0; pass < passes; pass++)); do
	for ((step = 1; step < LAST; step += stride)); do
		nth=$(((step - 1) / stride))
		to=${sizes[(nth + pass + 1) % 5]}
		from=${sizes[(2 * nth + pass) % 5]}
		[ -d "$work/on-$from" ] || from=2
		stopped_at $step "$work/on-$from"
		train "$to" "$run"
		resumed=$((resumed + 1))
		if ! grep -q "^resumed at step $step of $LAST" "$run.log" || ! same "$run" "$work/on-1"; then
			other=$((other + 1))
			echo "not ok stopped after step $step on $from ranks, continued on $to: the same weights and metrics"
			cp -r "$run" "$work/step-$step-from-$from-to-$to"
			cp "$run.log" "$work/step-$step-from-$from-to-$to.log"
		fi
	done
	echo "# pass $((pass + 1)): $resumed stops, $other with another result"
done
check "$resumed stops after a step, moved between rank counts: the same weights and metrics" test $other -eq 0
exit $failed
