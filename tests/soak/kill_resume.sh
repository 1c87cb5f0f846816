#!/bin/bash
# Runs are killed at random moments and resumed on random rank counts until they are done. Each must end with the
# weights and metrics of an uninterrupted run and leave no process behind.
# Usage: kill_resume.sh BUILD ROUNDS
#
# $SEED (printed) repeats the sequence of events, victims and delays; how far the training is by then depends on the
# machine.
# $KEEP_WORK keeps the folder of the runs; after a failure it is always kept.
# shellcheck disable=SC2206,SC2317 # the paths have no spaces; cleanup is called by the trap
set -u
thaw=$(realpath "$1")/thaw
rounds=$2
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
FRACTION=4     # the first event comes after at most 1/FRACTION of the uninterrupted run's time
GONE=30        # seconds for all ranks to end after a rank or mpirun ended
MAX_STARTS=100 # of a run

if [ ! -d $data ]; then
	echo "ok kill and resume # SKIP no $data"
	exit 0
fi
seed=${SEED:-$((($(date +%s) * 31 + $$) % 32768))}
RANDOM=$seed
work=$(mktemp -d)
failed=0
echo "# seed $seed, in $work"
cleanup() {
	# The ranks are found by their run directory, which no other process uses.
	local pid
	for pid in $(members); do kill -KILL "$pid" 2>/dev/null; done
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT

check() { # check NAME CONDITION...
	local what=$1
	if "${@:2}"; then
		echo "ok $what"
	else
		echo "not ok $what (seed $seed, see $work)"
		failed=1
	fi
}

# Ids of all processes with the run directory as an argument, including mpirun. (From a file, or grep finds itself.)
run=$work/run
echo "$run" >"$work/name"
members() { grep -lszxF -f "$work/name" /proc/[0-9]*/cmdline | cut -d / -f 3; }
# The same without mpirun and its children that have not started thaw yet.
ranks() { for pid in $(members); do [ "$(readlink "/proc/$pid/exe")" = "$thaw" ] && echo "$pid"; done; }
a_rank() { ranks | sed -n "$((RANDOM % $1 + 1))p"; }

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none OPENBLAS_NUM_THREADS=1

# Lanes, batches and epochs do not divide each other evenly, and checkpoints are frequent enough to be interrupted.
args=(train --data $data --model cifar_resnet8 --unfreeze all --bn lane --size 16 --per-class 21 --lanes 5
	--batch 24 --epochs 24 --head-epochs 2 --eval-every 8 --checkpoint-every 3)
weights() { sha256sum <"$1/model.safetensors"; }
metrics() { sed 's/"seconds": *[0-9.e+-]*//' "$1/metrics.jsonl"; } # without the times

nap() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; }
running() { kill -0 "$launcher" 2>/dev/null; }

# disturb SIZE: after a random time, does one of the things that happen to jobs. Its name is in $what.
disturb() {
	local victim
	nap $((RANDOM * longest / 32768))
	case $((RANDOM % 5)) in
	0) what=rank-KILL && victim=$(a_rank "$1") && [ -n "$victim" ] && kill -KILL "$victim" ;;
	1) what=mpirun-KILL && kill -KILL "$launcher" ;;
	2) what=mpirun-TERM && kill -TERM "$launcher" ;;
	3) what=mpirun-USR1 && kill -USR1 "$launcher" ;;
	4) what=rank-STOP && victim=$(a_rank "$1") && [ -n "$victim" ] && kill -STOP "$victim" && sleep 5 &&
		kill -CONT "$victim" ;;
	esac || what=none # no rank yet, or it had ended
}

# start SIZE: one job from start to end. The exit code is in $code; $happened counts the events.
start() {
	mpirun -q -np "$1" "$thaw" "${args[@]}" --out "$run" >"$work/log" 2>&1 &
	launcher=$!
	local deadline begun
	what=none
	while { [ "$what" = none ] || [ "$what" = rank-STOP ]; } && running; do # these do not end a job
		disturb "$1"
		happened[$what]=$((${happened[$what]:-0} + 1))
	done
	deadline=$((SECONDS + GONE))
	while running && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
	if running; then
		echo "# after $what: mpirun still runs" && hung=$((hung + 1))
		kill -KILL $launcher
	fi
	wait $launcher 2>/dev/null
	code=$?
	begun=$SECONDS
	while [ -n "$(members)" ] && [ $((SECONDS - begun)) -lt $GONE ]; do sleep 0.05; done
	if [ -n "$(members)" ]; then
		echo "# after $what: processes stay: $(members | tr '\n' ' ')" && orphans=$((orphans + 1))
		for pid in $(members); do kill -KILL "$pid" 2>/dev/null; done
	fi
	cat "$work/log" >>"$work/log.all"
	echo "=== $1 ranks, $what, exit code $code" >>"$work/log.all"
	# After USR1 a started run saves and exits with 75, or with 0 if it was already at its end.
	if [ "$what" = mpirun-USR1 ] && grep -q '^thaw train' "$work/log" && [ $code -ne 75 ] && [ $code -ne 0 ]; then
		echo "# after USR1: exit code $code" && unsaved=$((unsaved + 1))
	fi
	# None of these events may make the run refuse to continue.
	case $code in
	64 | 65 | 70 | 71 | 74 | 78) echo "# refused: $(grep '^thaw: ' "$work/log")" && refused=$((refused + 1)) ;;
	esac
}

milliseconds() { date +%s%3N; }
longest=$(milliseconds)
"$thaw" "${args[@]}" --out "$work/unbroken" >"$work/unbroken.log" 2>&1
longest=$((($(milliseconds) - longest) / FRACTION))
check "an uninterrupted run" test -s "$work/unbroken/model.safetensors"
declare -A happened
total=0
for ((round = 1; round <= rounds && failed == 0; round++)); do
	rm -rf "$run" "$work/log.all"
	hung=0 orphans=0 unsaved=0 refused=0 starts=0 code=1
	while [ ! -e "$run/result.json" ] && [ $starts -lt $MAX_STARTS ] && [ $((hung + orphans + unsaved + refused)) -eq 0 ]; do
		start $((RANDOM % 4 + 1)) 2>/dev/null # bash reports killed jobs there
		starts=$((starts + 1))
	done
	total=$((total + starts))
	check "round $round: done after $starts starts" test -e "$run/result.json"
	check "round $round: nothing hung, stayed, was refused or went unsaved" \
		test $((hung + orphans + unsaved + refused)) -eq 0
	check "round $round: the uninterrupted run's weights" test "$(weights "$run")" = "$(weights "$work/unbroken")"
	check "round $round: the uninterrupted run's metrics" test "$(metrics "$run")" = "$(metrics "$work/unbroken")"
done
echo "# $total starts:$(for what in "${!happened[@]}"; do printf ' %s %d' "$what" "${happened[$what]}"; done)"
exit $failed
