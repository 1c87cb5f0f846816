# A Slurm of the test's own: one node, this machine, with daemons on loopback and partitions for each kind of preemption.
# Source it where `skip` exists and $work is set; start_daemons, then stop_daemons at the end.
# shellcheck shell=bash
# Files may not exist yet, conditions are evaluated later:
# shellcheck disable=SC2016,SC2154

PATH=$PATH:/usr/sbin

# needs_slurm: skips the test where it cannot run.
needs_slurm() {
	local program
	for program in slurmctld slurmd munged sbatch mpirun; do
		type $program >/dev/null 2>&1 || skip "no $program: install slurm-wlm and munge"
	done
	[ "$(id -u)" -eq 0 ] || skip "Slurm's daemons need root"
	[ "$(nproc)" -ge 2 ] || skip "only one core"
}

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

# cred_expire: seconds until a requeued job can start; the default is two minutes. The partitions are named after what
# happens to their jobs when a job of the partition "urgent" needs the cores.
write_slurm_conf() {
	local host port
	host=$(hostname -s)
	port=$(free_port $((20000 + RANDOM % 10000)))
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
SlurmdTimeout=10
SlurmUser=root
SwitchType=switch/none
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1
PreemptType=preempt/partition_prio
PreemptMode=SUSPEND,GANG
KillWait=10
SlurmdSpoolDir=$work/spool
StateSaveLocation=$work/state
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=plain Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=OFF Default=YES
PartitionName=cancel Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=CANCEL GraceTime=0
PartitionName=grace Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=CANCEL GraceTime=60
PartitionName=requeue Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=suspend Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=SUSPEND OverSubscribe=FORCE:1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=9 PreemptMode=OFF OverSubscribe=FORCE:1
END
	echo "PMIxCliTmpDirBase=$work/pmix" >mpi.conf
	export SLURM_CONF=$work/slurm.conf
}

node_is() { sinfo --noheader --partition=plain --format=%T 2>/dev/null | grep -q "$1"; }
start_slurmd() { slurmd >>slurmd.log 2>&1; }

# start_daemons: in $work, which must be the current directory. munged refuses a socket in a directory that others can
# write to, except in /tmp itself.
start_daemons() {
	mkdir munge state spool pmix
	head -c 128 /dev/urandom >munge/key
	chmod 700 munge
	chmod 600 munge/key
	chmod 711 munge # so that other users can open the socket
	write_slurm_conf
	munged --key-file="$work/munge/key" --socket="$work/munge/socket" --pid-file="$work/munge/munged.pid" \
		--log-file="$work/munge/log" --seed-file="$work/munge/seed" --force >/dev/null 2>&1
	slurmctld -c >>slurmctld.log 2>&1
	start_slurmd
	wait_until 20 'node_is idle'
}

# stop NAME [SIGNAL]: stops the daemon whose process id is in NAME.pid
stop() {
	local pid i
	pid=$(cat "$1.pid" 2>/dev/null) || return 0
	kill "-${2:-TERM}" "$pid" 2>/dev/null
	for ((i = 0; i < 100; i++)); do
		grep -q . "/proc/$pid/cmdline" 2>/dev/null || return 0 # ended, or a zombie
		sleep 0.1
	done
	kill -KILL "$pid"
}
stop_daemons() {
	stop slurmd
	stop slurmctld
	stop munge/munged
}

# The node loses its power: slurmd, the job's slurmstepd and all processes of the job end at once. They are stopped first,
# so that none can report the end of another.
# fail_node JOB
fail_node() {
	local pid signal pids=()
	stop slurmd KILL
	for pid in $(grep -lszF "SLURM_JOB_ID=$1" /proc/[0-9]*/environ | cut -d / -f 3) $(pgrep -f "^slurmstepd: \[$1\."); do
		grep -qszxF "SLURM_CONF=$SLURM_CONF" "/proc/$pid/environ" && pids+=("$pid")
	done
	for signal in STOP KILL; do kill -$signal "${pids[@]}" 2>/dev/null; done
	rm -rf "$work"/pmix/* "$work"/spool/stepd.* "$work"/spool/pmix.* # temporary files do not survive a reboot
}
