#!/bin/bash
# Silence: a rank that is stopped for ever ends the job, with a line that names it and exit code 75, and the run resumes
# to the same bits; one that is stopped for a moment does not; ranks that never reach MPI end the job too. Usage:
# silence.sh BUILD
set -u
thaw=$(realpath "$1")/thaw
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
export OMPI_MCA_mpi_yield_when_idle=1

failed=0
check() { if "${@:2}"; then echo "ok $1"; else echo "not ok $1" && failed=1; fi; }
if [ ! -d $data ]; then
	echo "ok silence # SKIP no $data"
	exit 0
fi

args=(train --data "$data" --model cifar_resnet8 --unfreeze all --size 16 --per-class 21 --lanes 7 --batch 30 --epochs 4
	--lr 0.05 --eval-every 4)
train() { # RANKS OUT FLAGS...
	mpirun -q --oversubscribe -np "$1" "$thaw" "${args[@]}" --out "$2" "${@:3}" >>"$2.log" 2>&1
}
bits() { sha256sum <"$1/model.safetensors" 2>/dev/null || echo "none: $1"; }
steps() { if [ -e "$1/metrics.jsonl" ]; then grep -c '"event": *"step"' "$1/metrics.jsonl"; else echo 0; fi; }
# rank_of OUT RANK: the process of a rank.
rank_of() {
	local p
	for p in $(pgrep -f "$thaw .*$1"); do
		grep -qzx "OMPI_COMM_WORLD_RANK=$2" "/proc/$p/environ" 2>/dev/null &&
			[ "$(readlink "/proc/$p/exe")" = "$thaw" ] && echo "$p"
	done
}
# stopped RANKS VICTIMS TIMEOUT SECONDS: trains, and stops ranks after some steps; continues them unless SECONDS is 0.
stopped() {
	local launcher victims=() i
	train "$1" "$work/s" --checkpoint-every 1 --timeout "$3" &
	launcher=$!
	for ((i = 0; i < 12000; i++)); do
		[ "$(steps "$work/s")" -ge 3 ] && break
		sleep 0.05
	done
	for i in $2; do victims+=("$(rank_of "$work/s" "$i")"); done
	kill -STOP "${victims[@]}"
	if [ "$4" -gt 0 ]; then
		sleep "$4"
		kill -CONT "${victims[@]}"
	fi
	wait $launcher
	code=$?
}

train 1 "$work/whole"
for case in "2 0" "4 2"; do
	read -r ranks victim <<<"$case"
	rm -rf "$work/s" "$work/s.log"
	stopped "$ranks" "$victim" 6 0
	check "rank $victim of $ranks is stopped: exit 75" test "$code" -eq 75
	check "rank $victim of $ranks is stopped: one line names it" \
		test "$(grep -c "^thaw: a rank does not answer: rank $victim on host $(hostname)" "$work/s.log")" -eq 1
	check "rank $victim of $ranks is stopped: a warning comes first" \
		grep -q "^waiting for rank $victim on host" "$work/s.log"
	for ((i = 0; i < 12000; i++)); do
		pgrep -f "$thaw .*$work/s" >/dev/null || break
		sleep 0.05
	done
	check "rank $victim of $ranks is stopped: no rank is left" eval "! pgrep -f '$thaw .*$work/s' >/dev/null"
	train 1 "$work/s"
	check "rank $victim of $ranks is stopped: resumed to the same weights" \
		test "$(bits "$work/s")" = "$(bits "$work/whole")"
done

rm -rf "$work/s" "$work/s.log"
stopped 2 1 60 1
check "stopped for a second: the run ends" test "$code" -eq 0
check "stopped for a second: the same weights" test "$(bits "$work/s")" = "$(bits "$work/whole")"
check "stopped for a second: nothing is logged" eval "! grep -q 'silent\|answer' '$work/s.log'"

# Slurm suspends all processes of a job and resumes them: the time between does not count.
rm -rf "$work/s" "$work/s.log"
stopped 2 "0 1" 6 9
check "a suspended job: the run ends" test "$code" -eq 0
check "a suspended job: the same weights" test "$(bits "$work/s")" = "$(bits "$work/whole")"

# Rank 1 never calls MPI_Init: the limit is five timeouts.
# shellcheck disable=SC2016 # the ranks' shell expands it
mpirun -q --oversubscribe -np 2 bash -c '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec sleep 600; exec "$@"' - \
	"$thaw" "${args[@]}" --out "$work/none" --timeout 1 >"$work/none.log" 2>&1
check "MPI does not start: exit 71" test $? -eq 71
check "MPI does not start: one line" test "$(grep -c '^thaw: MPI does not start' "$work/none.log")" -eq 1

# A signal ends a rank that has nothing to save, also within MPI_Init.
# shellcheck disable=SC2016 # the ranks' shell expands it
mpirun -q --oversubscribe -np 2 bash -c '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec sleep 600; exec "$@"' - \
	"$thaw" "${args[@]}" --out "$work/early" >"$work/early.log" 2>&1 &
launcher=$!
catches_usr1() { # PROCESS
	local mask
	mask=$(sed -n 's/^SigCgt:\s*//p' "/proc/$1/status" 2>/dev/null)
	[ -n "$mask" ] && [ $((0x$mask & 0x200)) -ne 0 ]
}
for ((i = 0; i < 12000; i++)); do
	rank=$(rank_of "$work/early" 0)
	[ -n "$rank" ] && catches_usr1 "$rank" && break
	sleep 0.05
done
kill -USR1 "$rank"
wait $launcher
check "USR1 within the start of MPI: exit 75" test $? -eq 75

# thaw eval has nothing to save: a signal ends it at once, also while the other rank is stopped.
mpirun -q --oversubscribe -np 2 "$thaw" eval --model "$work/whole" --data "$data" --split train --size 64 --timeout 60 \
	>"$work/eval.log" 2>&1 &
launcher=$!
for ((i = 0; i < 12000; i++)); do
	[ -s "$work/eval.log" ] && break # rank 0 logs what it evaluates: MPI has started
	sleep 0.05
done
kill -STOP "$(rank_of eval 1)"
kill -USR1 "$(rank_of eval 0)"
wait $launcher
check "USR1 to a rank of thaw eval beside a stopped one: exit 75" test $? -eq 75
check "... with a line" grep -q "^thaw: asked to stop: thaw eval saves nothing" "$work/eval.log"
exit $failed
