#!/bin/bash
# Runs the job script under a real Slurm: one node, this machine, with separate daemons on loopback.
# Usage: slurm.sh BUILD. Needs root and the packages slurm-wlm and munge; skips without them.
#
# Whatever happens to its jobs, a run must end with the weights of an uninterrupted run. The run must last longer than
# all interruptions together: on a fast machine, or with more $REQUEUES, increase $EPOCHS.
# Files may not exist yet, conditions are evaluated later, $FLAGS is several words, the trap calls functions:
# shellcheck disable=SC2002,SC2016,SC2086,SC2317
set -u
thaw=$(realpath "$1")/thaw
script=$(realpath "$(dirname "$0")/../../jobs/slurm.sbatch")
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
requeues=${REQUEUES:-5}
epochs=${EPOCHS:-100}
PATIENCE=240 # seconds for anything that Slurm or a job does

skip() {
	echo "ok slurm # SKIP $1"
	exit 0
}
for program in slurmctld slurmd munged sbatch mpirun; do
	PATH=$PATH:/usr/sbin type $program >/dev/null 2>&1 || skip "no $program: install slurm-wlm and munge"
done
[ "$(id -u)" -eq 0 ] || skip "Slurm's daemons need root"
[ "$(nproc)" -ge 2 ] || skip "only one core"
[ -d $data ] || skip "no $data"
PATH=$PATH:/usr/sbin

failed=0
check() { # check NAME CONDITION...
	local what=$1
	if "${@:2}"; then
		echo "ok slurm, $what"
	else
		echo "not ok slurm, $what (see $work)"
		failed=1
	fi
}

# The directory of all files. munged refuses a socket in a directory that others can write to, except in /tmp itself.
work=$(mktemp -d /tmp/thaw-slurm-XXXXXX)
chmod 755 "$work"
cd "$work" || exit 1

# stop NAME: stops the daemon whose process id is in NAME.pid
stop() {
	local pid
	pid=$(cat "$1.pid" 2>/dev/null) || return 0
	kill "$pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		grep -q . "/proc/$pid/cmdline" 2>/dev/null || return 0 # ended, or a zombie
		sleep 0.1
	done
	kill -KILL "$pid"
}
cleanup() {
	[ -n "${job:-}" ] && scancel "$job" 2>/dev/null && wait_until 40 gone
	stop slurmd
	stop slurmctld
	stop munge/munged
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT

wait_until() { # wait_until SECONDS CONDITION
	local end=$((SECONDS + $1))
	until eval "$2"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

free_port() { # the first port from $1 upwards that no process listens on
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# cred_expire: seconds until a requeued job can start; the default is two minutes.
start_daemons() {
	local host port
	host=$(hostname -s)
	port=$(free_port $((20000 + RANDOM % 10000)))
	mkdir munge state spool
	head -c 128 /dev/urandom >munge/key
	chmod 700 munge
	chmod 600 munge/key
	chmod 711 munge # so that other users can open the socket
	cat >slurm.conf <<END
ClusterName=thaw
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$(free_port $((port + 1)))
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket,cred_expire=5
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
ReturnToService=2
SlurmUser=root
SwitchType=switch/none
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
KillWait=10
SlurmdSpoolDir=$work/spool
StateSaveLocation=$work/state
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
	export SLURM_CONF=$work/slurm.conf
	munged --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/munged.pid" \
		--log-file="$work/munge/log" --seed-file="$work/munge/seed" --force >/dev/null 2>&1
	slurmctld -c >>slurmctld.log 2>&1
	slurmd >>slurmd.log 2>&1
	wait_until 20 'sinfo --noheader --format=%T 2>/dev/null | grep -q idle'
}

start_daemons
check "starts" test -n "$(sinfo --noheader --format=%T 2>/dev/null | grep idle)"
[ $failed -eq 0 ] || exit 1

# The smallest network, 7 steps per epoch, a checkpoint after each epoch; the last step of an epoch is smaller.
export DATA=$data THAW=$thaw MODEL=cifar_resnet8 OPENBLAS_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export FLAGS="--unfreeze all --bn lane --size 16 --per-class 20 --lanes 4 --batch 32 --epochs $epochs --eval-every $epochs"
EPOCH=7

submit() { # submit MINUTES: sets $job
	job=$(sbatch --parsable --nodes=1 --ntasks-per-node=2 --time="$1" --signal=B:USR1@5 \
		--output="$work/$LAUNCH.log" "$script")
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

# goes_on N: waits until the job runs for the Nth time and has made ten more steps.
goes_on() {
	local from
	wait_until $PATIENCE '[ "$(in_log "^thaw train")" -ge '"$1"' ]' || return 1
	from=$(steps)
	wait_until $PATIENCE '[ "$(steps)" -ge '$((from + 10))' ]'
}

# The ranks are stopped until Slurm has sent SIGUSR1, so that the run cannot end before its time limit.
asked() { grep -q '^ShdPnd:.*[2367abef]..$' "/proc/$1/status"; } # SIGUSR1 is the bit 0x200
time_limit() {
	local held rank
	goes_on 1
	held=$(ranks)
	check "$LAUNCH: two ranks in one communicator" \
		eval '[ "$(echo $held | wc -w)" -eq 2 ] && [ "$(in_log "^thaw train.*, 2 ranks")" -eq 1 ]'
	for rank in $held; do kill -STOP "$rank"; done
	wait_until 100 "asked ${held%%[!0-9]*}"
	for rank in $held; do kill -CONT "$rank"; done
	wait_until $PATIENCE '[ "$(in_log "back into the queue")" -eq 1 ]'
	check "$LAUNCH: at the time limit: saved and requeued" \
		eval '[ "$(in_log "asked to stop: saved at step")" -eq 1 ] && [ "$(in_log "back into the queue")" -eq 1 ]'
}

# Sends the signal of the time limit several times, without waiting for the limit.
chained_requeues() {
	local i
	scontrol update JobId="$job" TimeLimit=60
	for ((i = 1; i <= requeues; i++)); do
		goes_on $((i + 1)) || break
		scancel --batch --signal=USR1 "$job"
		wait_until $PATIENCE '[ "$(in_log "back into the queue")" -eq '$((i + 1))' ]'
	done
	check "$LAUNCH: saved and requeued $requeues times more" \
		eval '[ "$(in_log "asked to stop: saved at step")" -eq $((requeues + 1)) ] &&
			[ "$(in_log "back into the queue")" -eq $((requeues + 1)) ]'
}

# What Slurm does in favour of a job of higher priority: SIGTERM to all processes, and a requeue.
preempted() {
	goes_on $((requeues + 2))
	scontrol requeue "$job"
	goes_on $((requeues + 3))
	check "$LAUNCH: requeued by Slurm: resumes" eval '[ "$(state)" = RUNNING ] && [ "$(in_log "^resumed at")" -eq $((requeues + 2)) ]'
}

cancelled() {
	scancel "$job"
	wait_until $PATIENCE gone
	check "$LAUNCH: cancelled: not requeued" eval '[ "$(state)" = CANCELLED ] && [ "$(in_log "back into the queue")" -eq $((requeues + 1)) ]'
	check "$LAUNCH: cancelled: only steps after the last checkpoint are lost" test $(($(steps) - $(saved))) -le $EPOCH
	check "$LAUNCH: cancelled: no process is left" wait_until 30 '[ -z "$(members)" ]'
	check "$LAUNCH: cancelled: the run is not done" test ! -e "$OUT/result.json"
	echo "# $LAUNCH: cancelled after step $(steps), saved at step $(saved)"
}

finished() {
	submit 60
	wait_until $PATIENCE gone
	check "$LAUNCH: submitted again: completed" test "$(state)" = COMPLETED
	check "$LAUNCH: after $((requeues + 3)) interruptions: the weights of an uninterrupted run" \
		cmp -s "$OUT/model.safetensors" uninterrupted/model.safetensors
	echo "# $LAUNCH: resumed $(in_log '^resumed at') times: $(sed -n 's/^resumed at step \([0-9]*\).*/\1/p' "$LAUNCH.log" | tr '\n' ' ')"
}

# shellcheck disable=SC2086 # $FLAGS is several words
"$thaw" train --model $MODEL --data $data --out uninterrupted $FLAGS >uninterrupted.log 2>&1
check "an uninterrupted run" test -s uninterrupted/model.safetensors
for LAUNCH in srun mpirun; do
	export LAUNCH OUT=$work/run-$LAUNCH
	submit 1
	for phase in time_limit chained_requeues preempted cancelled finished; do
		[ $failed -eq 0 ] && $phase # each continues the run where the previous one left it
	done
done
exit $failed
