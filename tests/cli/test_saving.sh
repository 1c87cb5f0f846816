#!/bin/bash
# Runs that cannot save, whose directory is moved or whose job was killed, and runs that diverged: what the same command
# does when it is typed again.
# Usage: test_saving.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1
export OMPI_MCA_mpi_yield_when_idle=1

mkdir data
idx data/train 40
idx data/t10k 8
endless=(train --model cifar_resnet8 --data data --size 8 --unfreeze head --batch 8 --lanes 4 --epochs 100000
	--seed 3 --scale-min 1 --lr 0.05 --bn lane --checkpoint-every 20 --eval-every 1000)

# wait_for SECONDS CONDITION...: the limit turns a hang into a failure.
wait_for() {
	local end=$((SECONDS + $1))
	while ! "${@:2}"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
has_checkpoint() { compgen -G "$1/step-*.zst" >/dev/null; }
gone() { ! kill -0 "$1" 2>/dev/null; }
# ends PID: its exit code and the log of $1 are those that check looks at.
ends() {
	wait_for 300 gone "$2" || kill -KILL "$2"
	wait "$2"
	code=$? command=$1
	cp "$1.err" err && : >out
}

# ---- No room, and no directory ---------------------------------------------------------------------

# Both take as long as the run tries to save, so they run side by side.
in_namespace='
	mount -t tmpfs -o size=4m none disk || exit 200
	"$@" --out disk/run 2>full.err &
	until ls disk/run/step-*.zst >ls 2>&1 || ! kill -0 $!; do sleep 0.1; done
	head -c 64M /dev/zero >disk/fill 2>head.err
	job=$!
	# Other jobs take what older checkpoints leave.
	while kill -0 $job; do head -c 64M /dev/zero >>disk/fill; sleep 0.1; done 2>head.err
	wait $job
	echo $? >full.code
	rm disk/fill
	"$@" --out disk/run 2>again.err &
	until grep -q resumed again.err || ! kill -0 $!; do sleep 0.1; done
	kill -TERM $!
	wait $!
	echo $? >again.code
'
mkdir disk
timeout 3000 unshare -rm bash -c "$in_namespace" - "$thaw" "${endless[@]}" 2>mount.err &
namespace=$!
"$thaw" "${endless[@]}" --out moved 2>moved.err &
pid=$!
wait_for 1000 has_checkpoint moved
mv moved elsewhere
ends moved $pid
check "a run directory that is gone stops the run" fails_once 74 "the run directory is gone: --out moved" "stopped at step"
check "... and is not made again" test ! -e moved
mv elsewhere moved
"$thaw" "${endless[@]}" --out moved 2>moved.err &
pid=$!
wait_for 1000 grep -q resumed moved.err
kill -TERM $pid
ends moved $pid
check "... and put back, the run continues" exits 75 "resumed at step"

wait $namespace
mounted=$?
if [ $mounted -ge 200 ] || grep -q '^unshare' mount.err; then
	skip "a full disk" "no permission to mount in a namespace"
else
	cp full.err err && code=$(cat full.code) command="an endless run on a full disk"
	check "a full disk stops the run" fails_once 74 "No space left" "stopped at step" "the newest checkpoint is of step" \
		"run the same command again"
	check "... after older checkpoints made room" exits 74 "the disk is full: older checkpoints removed"
	cp again.err err && code=$(cat again.code)
	check "... and with space, it continues" exits 75 "resumed at step"
fi

# ---- Killed jobs -----------------------------------------------------------------------------------

mpirun -np 2 "$thaw" "${endless[@]}" --out killed 2>killed.err &
pid=$!
wait_for 1000 has_checkpoint killed
kill -KILL $pid
mpirun -np 2 "$thaw" "${endless[@]}" --out killed 2>killed.err &
next=$!
wait $pid 2>/dev/null
wait_for 1000 grep -q resumed killed.err
kill -USR1 $next
ends killed $next
check "a start right after a SIGKILL of mpirun waits for its ranks" exits 75 "resumed at step"

# ---- Divergence ------------------------------------------------------------------------------------

hot=("${endless[@]}" --unfreeze all --epochs 30 --weight-decay 1 --momentum 0.99)
run "$thaw" "${hot[@]}" --lr 0.001 --out calm
check "a run with a low rate" exits 0
run "$thaw" "${hot[@]}" --lr 10 --out wild
check "a run that diverges" fails_once 78 "not finite" "--lr 10: lower the learning rate"
check "... has checkpoints" has_checkpoint wild
run "$thaw" "${hot[@]}" --lr 10 --out wild
check "... diverges again with the same settings" fails_once 78 "not finite"
run "$thaw" "${hot[@]}" --lr 0.001 --seed 4 --out wild
check "... does not start over with another seed" fails_once 78 "seed" wild
check "... and keeps its checkpoints" has_checkpoint wild
run "$thaw" "${hot[@]}" --lr 0.001 --out wild
check "... with a lower rate, it starts anew" exits 0 "wild diverged: its checkpoints are removed"
check "... and gives what a new run gives" cmp -s wild/model.safetensors calm/model.safetensors
check "... without a trace of the first one" eval '[ ! -e wild/diverged.json ] &&
	[ "$(wc -l <wild/metrics.jsonl)" = "$(wc -l <calm/metrics.jsonl)" ]'
run "$thaw" "${hot[@]}" --lr 0.002 --out wild
check "... and is complete: another rate is refused" fails_once 78 "is complete, with lr 0.001"

finish
