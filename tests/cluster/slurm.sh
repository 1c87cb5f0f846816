#!/bin/bash
# Runs the job script under a real Slurm: one node, this machine, with separate daemons on loopback.
# Usage: slurm.sh BUILD [LAUNCHER...]. Needs root and the packages slurm-wlm and munge; skips without them.
#
# Whatever happens to its jobs, a run must end with the weights of an uninterrupted run. The run must last longer than
# all interruptions together: on a fast machine, or with more $REQUEUES, increase $EPOCHS.
# Files may not exist yet, conditions are evaluated later, $FLAGS is several words, the trap calls functions:
# shellcheck disable=SC2002,SC2016,SC2086,SC2317
set -u
thaw=$(realpath "$1")/thaw
shift
launchers=${*:-srun mpirun}
here=$(realpath "$(dirname "$0")")
script=$here/../../jobs/slurm.sbatch
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
requeues=${REQUEUES:-20}
epochs=${EPOCHS:-600}
PATIENCE=240 # seconds for anything that Slurm or a job does

suite=slurm
# shellcheck source=tests/cluster/check.bash
. "$here/check.bash"
# shellcheck source=tests/cluster/slurm.bash
. "$here/slurm.bash"
needs_slurm
[ -d $data ] || skip "no $data"


work=$(mktemp -d /tmp/thaw-slurm-XXXXXX)
chmod 755 "$work"
cd "$work" || exit 1
cleanup() {
	[ -n "${job:-}" ] && scancel --user="$(id -un)" 2>/dev/null && wait_until 40 '! squeue --noheader | grep -q .'
	stop_daemons
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT
start_daemons
check "starts" node_is idle
[ $failed -eq 0 ] || exit 1

# The smallest network, 7 steps per epoch, a checkpoint after each epoch; the last step of an epoch is smaller.
export DATA=$data THAW=$thaw MODEL=cifar_resnet8 OPENBLAS_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
settings="--unfreeze all --bn lane --size 16 --per-class 20 --lanes 4 --batch 32"
export FLAGS="$settings --epochs $epochs --eval-every $epochs"
EPOCH=7

submit() { # submit MINUTES [FLAG...]: sets $job
	job=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --time="$1" --signal=B:USR1@5 \
		--output="$work/$LAUNCH.log" "${@:2}" "$script")
}
state() { scontrol show job "$job" | sed -n 's/.*JobState=\([A-Z]*\).*/\1/p'; }
gone() { ! squeue --noheader --jobs="$job" 2>/dev/null | grep -q .; }
in_log() { cat "$LAUNCH.log" 2>/dev/null | grep -c "$1"; } # how many lines
steps() {
	cat "$OUT/metrics.jsonl" 2>/dev/null | sed -n 's/.*"event": *"step", *"step": *\([0-9]*\).*/\1/p' | tail -n 1 | grep . || echo 0
}
saved() {
	find "$OUT" -name 'step-*.zst' 2>/dev/null | sed 's/.*step-\([0-9]*\).*/\1/' | sort -n | tail -n 1 | grep . || echo 0
}
# Processes of the run: those with the run directory among their arguments. (Read from a file: grep would find itself.)
members() { echo "$OUT" >name && grep -lszxF -f name /proc/[0-9]*/cmdline | cut -d / -f 3; }
ranks() { for pid in $(members); do [ "$(readlink "/proc/$pid/exe")" = "$thaw" ] && echo "$pid"; done; }

# The next start of the run prints its first line once more.
starts=0
# goes_on: waits until the job runs anew and has made ten more steps.
goes_on() {
	local from
	starts=$((starts + 1))
	wait_until $PATIENCE '[ "$(in_log "^thaw train")" -ge $starts ] || gone'
	[ "$(in_log "^thaw train")" -ge $starts ] || return 1
	from=$(steps)
	wait_until $PATIENCE '[ "$(steps)" -ge '$((from + 10))' ]'
}

# The ranks are stopped until Slurm has sent SIGUSR1, so that the run cannot end before its time limit.
asked() { grep -q '^ShdPnd:.*[2367abef]..$' "/proc/$1/status"; } # SIGUSR1 is the bit 0x200
time_limit() {
	local held rank
	submit 1
	goes_on
	held=$(ranks)
	check "$LAUNCH: two ranks in one communicator" \
		eval '[ "$(echo $held | wc -w)" -eq 2 ] && [ "$(in_log "^thaw train.*, 2 ranks")" -eq 1 ]'
	for rank in $held; do kill -STOP "$rank"; done
	wait_until 100 "asked ${held%%[!0-9]*}"
	for rank in $held; do kill -CONT "$rank"; done
	wait_until $PATIENCE '[ "$(in_log "the job is back in the queue")" -eq 1 ]'
	check "$LAUNCH: at the time limit: saved and requeued" \
		eval '[ "$(in_log "asked to stop: saved at step")" -eq 1 ] && [ "$(in_log "saved; the job is back")" -eq 1 ]'
}

# Sends the signal of the time limit several times, without waiting for the limit.
chained_requeues() {
	local i
	scontrol update JobId="$job" TimeLimit=600
	for ((i = 1; i <= requeues; i++)); do
		goes_on || break
		scancel --batch --signal=USR1 "$job"
		wait_until $PATIENCE '[ "$(in_log "saved; the job is back")" -eq '$((i + 1))' ]'
	done
	check "$LAUNCH: saved and requeued $requeues times more" \
		eval '[ "$(in_log "asked to stop: saved at step")" -eq $((requeues + 1)) ] &&
			[ "$(in_log "saved; the job is back")" -eq $((requeues + 1)) ]'
}

requeued_by_hand() {
	goes_on
	scontrol requeue "$job"
	wait_until $PATIENCE '[ "$(in_log "Slurm has put the job back")" -eq 1 ]'
	check "$LAUNCH: requeued by hand: not once more by the script" \
		eval '[ "$(in_log "the job is back in the queue")" -eq $((requeues + 1)) ]'
	goes_on
	check "$LAUNCH: requeued by hand: resumes" test "$(state)" = RUNNING
}

# The node loses its power; Slurm notices after SlurmdTimeout and requeues.
node_failure() {
	fail_node "$job"
	check "$LAUNCH: node failure: Slurm notices" wait_until $PATIENCE 'node_is down'
	start_slurmd
	goes_on
	check "$LAUNCH: node failure: resumes" test "$(state)" = RUNNING
}

# The daemon still answers, so that the node returns by itself at once. Slurm holds a job that it starts while processes
# of the previous start are ending ("Duplicate jobid"): none is started before.
node_set_down() {
	scontrol update PartitionName=plain State=DOWN
	scontrol update NodeName="$(hostname -s)" State=DOWN Reason=test
	check "$LAUNCH: node set down: no process is left" wait_until 60 '[ -z "$(members)" ] && [ "$(state)" = PENDING ]'
	scontrol update NodeName="$(hostname -s)" State=RESUME 2>/dev/null # unless it has returned by itself
	scontrol update PartitionName=plain State=UP
	goes_on
	check "$LAUNCH: node set down: resumes" test "$(state)" = RUNNING
}

# urgent SECONDS: a job that preempts the run; returns when it has started
urgent() {
	local other
	other=$(sbatch --parsable --partition=urgent --ntasks=2 --output=/dev/null --wrap "sleep $1")
	wait_until $PATIENCE 'squeue --noheader --jobs='$other' --format=%T | grep -q RUNNING'
}

# moved PARTITION: the run goes on in a job of this partition
moved() {
	scancel "$job"
	wait_until $PATIENCE gone
	submit 600 --partition="$1"
	goes_on
}

# preempted MODE LINE: LINE is what the script says.
preempted() {
	local before
	moved "$1"
	before=$(in_log "$2")
	urgent 2
	goes_on
	check "$LAUNCH: preempted, $1: the script says why" test "$(in_log "$2")" -eq $((before + 1))
	check "$LAUNCH: preempted, $1: resumes" test "$(state)" = RUNNING
	echo "# $LAUNCH: preempted, $1: $(grep -o "resumed at step.*" $LAUNCH.log | tail -n 1), $(grep "$2" $LAUNCH.log | tail -n 1)"
}
preempted_cancel() { preempted cancel ", preempted; the job is back in the queue"; }
preempted_requeue() { preempted requeue "Slurm has put the job back into the queue"; }
# Within the grace time only the steps of the job are told, and the urgent job starts when the run has left.
preempted_grace() { preempted grace "^saved; the job is back in the queue"; }
preempted_suspend() {
	local from
	moved suspend
	urgent 8
	from=$(steps)
	check "$LAUNCH: preempted, suspend: the job sleeps" eval '[ "$(state)" = SUSPENDED ] && sleep 3 && [ "$(steps)" -eq $from ]'
	check "$LAUNCH: preempted, suspend: goes on" wait_until $PATIENCE '[ "$(steps)" -ge $((from + 10)) ]'
	check "$LAUNCH: preempted, suspend: the same job without a restart" test "$(state)" = RUNNING
}

# A PATH without scontrol.
no_scontrol() {
	[ -d bin ] || {
		mkdir bin
		ln -s /usr/bin/* bin
		rm bin/scontrol
	}
	scancel "$job"
	wait_until $PATIENCE gone
	submit 600 --export="ALL,PATH=$work/bin"
	goes_on
	scancel --batch --signal=USR1 "$job"
	wait_until $PATIENCE gone
	check "$LAUNCH: no scontrol: saved, and the log says what to do" \
		eval '[ "$(in_log "^saved, but scontrol does not work.*: submit the job again")" -eq 1 ]'
	check "$LAUNCH: no scontrol: the exit code is 75" eval 'scontrol show job "$job" | grep -q "ExitCode=75:0"'
}

cancelled() {
	local before
	[ "$(state)" = FAILED ] || { scancel "$job" && wait_until $PATIENCE gone; }
	submit 600
	goes_on
	before=$(in_log "the job is back in the queue")
	scancel "$job"
	wait_until $PATIENCE gone
	check "$LAUNCH: cancelled: not requeued" eval '[ "$(state)" = CANCELLED ] && [ "$(in_log "the job is back in the queue")" -eq $before ]'
	check "$LAUNCH: cancelled: the script says so" eval 'tail -n 20 $LAUNCH.log | grep -q ", cancelled: submit the job again"'
	check "$LAUNCH: cancelled: only steps after the last checkpoint are lost" test $(($(steps) - $(saved))) -le $EPOCH
	check "$LAUNCH: cancelled: no process is left" wait_until 30 '[ -z "$(members)" ]'
	check "$LAUNCH: cancelled: the run is not done" test ! -e "$OUT/result.json"
	echo "# $LAUNCH: cancelled after step $(steps), saved at step $(saved)"
}

finished() {
	submit 600
	wait_until $((4 * PATIENCE)) gone
	check "$LAUNCH: submitted again: completed" test "$(state)" = COMPLETED
	check "$LAUNCH: after $starts starts: the weights of an uninterrupted run" \
		cmp -s "$OUT/model.safetensors" uninterrupted/model.safetensors
	echo "# $LAUNCH: resumed $(in_log '^resumed at') times: $(sed -n 's/^resumed at step \([0-9]*\).*/\1/p' "$LAUNCH.log" | tr '\n' ' ')"
}

# Two runs from a file of flags, with the images copied to a local folder. The second one, which has the number of the
# array, is requeued once.
array_of_runs() {
	local seed
	for seed in 1 2; do echo "--seed $seed"; done >sweep
	job=$(FLAGS="$settings --epochs 40 --eval-every 40" SWEEP=$work/sweep STAGE=$work/local/disk OUT=$work/array-$LAUNCH \
		sbatch --parsable --array=1-2 --nodes=1 --ntasks-per-node=1 --output="$work/array-$LAUNCH-%a.log" "$script")
	wait_until $PATIENCE 'grep -q "\"step\"" array-$LAUNCH-2/metrics.jsonl 2>/dev/null'
	scancel --batch --signal=USR1 "${job}_2"
	wait_until $PATIENCE gone
	check "$LAUNCH: array: one task is requeued, and it alone" \
		eval '[ "$(cat array-$LAUNCH-?.log | grep -c "the job is back in the queue")" -eq 1 ] && grep -q "^resumed" array-$LAUNCH-2.log'
	for seed in 1 2; do
		check "$LAUNCH: array, task $seed: its own flags and run directory" \
			eval 'grep -q "\"seed\": $seed[,}]" array-$LAUNCH-$seed/config.json && [ -s array-$LAUNCH-$seed/result.json ]'
		check "$LAUNCH: array, task $seed: read from the local disk" grep -q "$work/local/disk/thaw-" array-$LAUNCH-$seed.log
	done
	check "$LAUNCH: array: the copies are removed" eval '[ -z "$(ls local/disk)" ]'
}

# Without a process manager that Open MPI knows, srun would start two jobs of one rank each.
singletons() {
	srun --mpi=none --ntasks=2 "$thaw" train --model $MODEL --data $data --out singletons $FLAGS >singletons.log 2>&1
	check "srun without PMIx: refused" eval 'grep -q "srun --mpi=pmix" singletons.log && [ ! -e singletons ]'
	check "srun without PMIx: said once" test "$(grep -c "^thaw: " singletons.log)" -eq 1
}

singletons
"$thaw" train --model $MODEL --data $data --out uninterrupted $FLAGS >uninterrupted.log 2>&1
check "an uninterrupted run" test -s uninterrupted/model.safetensors
for LAUNCH in $launchers; do
	export LAUNCH OUT=$work/run-$LAUNCH
	starts=0
	for phase in ${PHASES:-time_limit chained_requeues requeued_by_hand node_failure node_set_down preempted_cancel \
		preempted_requeue preempted_grace preempted_suspend no_scontrol cancelled finished array_of_runs}; do
		[ $failed -eq 0 ] && $phase # each continues the run where the previous one left it
	done
done
exit $failed
