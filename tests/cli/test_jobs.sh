#!/bin/bash
# The job scripts, with stand-ins for the launchers and the program: the command that they start, and how they handle
# signals and exit codes. Usage: test_jobs.sh THAW
# shellcheck disable=SC2016,SC2034,SC2046 # conditions are evaluated by check; names are one word each
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
jobs=$(realpath "$(dirname "$0")/../../jobs")
cd "$work" || exit 1

PATH=$work/bin:$PATH
# A launcher that runs one rank and forwards signals, as srun and mpirun do. TERM ends the ranks of mpirun. srun passes it
# on, and knows PMIx unless $MPI_TYPES says otherwise.
for launcher in srun mpirun; do
	stand_in $launcher <<'END'
[ "$1" != --mpi=list ] || { echo "${MPI_TYPES:-none pmix}"; exit; }
echo "$(basename "$0") $*" >>launched
while [[ $1 == -* || $1 == [0-9]* || $1 == core || $1 == none ]]; do shift; done
"$@" &
rank=$!
trap 'kill -USR1 $rank' USR1
[ "$(basename "$0")" = srun ] && trap 'kill -TERM $rank' TERM || trap 'kill -KILL $rank' TERM
while kill -0 $rank 2>/dev/null; do wait $rank; done
wait $rank
END
done
# What Slurm says of the job is in the file "job".
stand_in scontrol <<'END'
case "$1" in
show) cat job ;;
requeue)
	[ ! -e refused ] || { echo "Job requeue not permitted" >&2; exit 1; }
	echo "$*" >>requeued
	sed -i 's/Restarts=0/Restarts=1/; s/RUNNING/PENDING/' job
	[ ! -e ends ] || kill "-$(cat ends)" $$ # Slurm ends the processes of the job, this one too
	;;
esac
END
# A program that exits with 75, or $AFTER_USR1, on USR1, and otherwise with $CODE.
stand_in thaw <<'END'
trap 'exit ${AFTER_USR1:-75}' USR1
echo running >>ran
[ -n "${CODE:-}" ] && exit $CODE
for ((i = 0; i < 15000; i++)); do sleep 0.02; done
END
export DATA=images OUT=run SLURM_JOB_ID=42 SLURM_JOB_NUM_NODES=1 THAW=thaw

# job FIELD=VALUE...: what scontrol says of the job, besides the usual.
job() {
	cat >job <<END
JobId=42 JobName=thaw
   JobState=RUNNING Reason=None
   Requeue=1 Restarts=0 BatchFlag=1 Reboot=0 ExitCode=0:0
   RunTime=00:00:10 TimeLimit=04:00:00 TimeMin=N/A
   PreemptEligibleTime=2026-11-28T07:20:05 PreemptTime=None
END
	local field
	for field; do sed -i "s/\b${field%%=*}=[^ ]*/$field/" job; done
}
clean() { rm -f launched requeued ran refused ends; job; }
# signalled NAME...: sends signals to the Slurm script while the program runs
signalled() {
	bash "$jobs/slurm.sbatch" >out 2>err &
	local script=$! i
	for ((i = 0; i < 6000; i++)); do
		[ -e ran ] && break
		sleep 0.02
	done
	kill "-$1" $script
	command="slurm.sbatch, $1"
	wait $script
	code=$?
}
requeued() { [ -e requeued ] && grep -qx "requeue 42" requeued; }

for LAUNCH in srun mpirun; do
	export LAUNCH
	clean
	CODE=0 run bash "$jobs/slurm.sbatch"
	check "slurm, $LAUNCH: a complete run is not requeued" eval 'exits 0 && [ ! -e requeued ]'
	check "slurm, $LAUNCH: the command" grep -q "^$LAUNCH .*thaw train --model builtin --data images --out run --unfreeze" launched
	clean
	signalled USR1
	check "slurm, $LAUNCH: saved and requeued at the time limit" eval 'exits 75 && requeued && out_has "saved; the job is back in the queue"'
	clean
	job JobState=COMPLETING
	signalled TERM
	check "slurm, $LAUNCH: saved and not requeued when cancelled" \
		eval 'exits 75 && [ ! -e requeued ] && out_has "saved, cancelled: submit the job again"'
	clean
	job JobState=COMPLETING PreemptTime=2026-11-28T07:20:08
	signalled TERM
	check "slurm, $LAUNCH: preempted without a grace time: requeued" \
		eval 'exits 75 && requeued && out_has "saved, preempted; the job is back in the queue"'
	clean
	job JobState=COMPLETING Restarts=1
	signalled TERM
	check "slurm, $LAUNCH: requeued by Slurm: not once more" \
		eval 'exits 75 && [ ! -e requeued ] && out_has "saved; Slurm has put the job back into the queue"'
	clean
	job JobState=COMPLETING RunTime=1-00:00:03 TimeLimit=1-00:00:00
	signalled TERM
	check "slurm, $LAUNCH: TERM at the time limit: requeued" eval 'exits 75 && requeued && out_has "saved at the time limit;"'
	clean
	rm job
	signalled USR1
	check "slurm, $LAUNCH: scontrol does not work: the log does not say that the job is requeued" \
		eval 'exits 75 && [ ! -e requeued ] && err_has "saved, but scontrol does not work on this node: submit" && ! out_has queue'
	clean
	touch refused
	signalled USR1
	check "slurm, $LAUNCH: requeueing is refused: why, and what to do" \
		exits 75 "saved, but the job cannot be put back into the queue: Job requeue not permitted: submit it again to continue"
	for signal in TERM KILL; do
		clean
		echo $signal >ends
		signalled USR1
		check "slurm, $LAUNCH: requeueing ends scontrol itself by $signal: the log says that the job is requeued" \
			eval 'exits 75 && requeued && out_has "saved; the job is back in the queue"'
	done
	clean
	CODE=65 run bash "$jobs/slurm.sbatch"
	check "slurm, $LAUNCH: a failed job is not requeued" eval 'exits 65 && [ ! -e requeued ]'
	clean
	CODE=205 run bash "$jobs/slurm.sbatch"
	check "slurm, $LAUNCH: mpirun has lost a node: requeued" \
		eval 'exits 205 && requeued && out_has "stopped; the job is back in the queue"'
	clean
	job JobState=COMPLETING PreemptTime=2026-11-28T07:20:08
	AFTER_USR1=65 signalled TERM
	check "slurm, $LAUNCH: a failed job is not requeued when preempted" eval 'exits 65 && [ ! -e requeued ]'
done

# At the start of the grace time Slurm sends TERM to steps only: the second step of the job, beside mpirun, is told.
clean
export LAUNCH=mpirun
bash "$jobs/slurm.sbatch" >out 2>err &
script=$!
# The step has its trap when it sleeps.
for ((i = 0; i < 6000; i++)); do
	[ -e ran ] && step=$(pgrep -f "^/bin/bash $work/bin/srun .*trap .exit 99") &&
		inner=$(pgrep -P "$step" bash) && pgrep -P "$inner" sleep >/dev/null && break
	sleep 0.02
done
kill "$step"
command="slurm.sbatch, grace time"
wait $script
code=$?
check "slurm, mpirun: the grace time of a preemption is noticed" eval 'exits 75 && requeued'

clean
unset LAUNCH
CODE=0 run bash "$jobs/slurm.sbatch"
check "slurm: srun by default" grep -q "^srun --mpi=pmix .*thaw train" launched
clean
CODE=0 MPI_TYPES="none pmi2" run bash "$jobs/slurm.sbatch"
check "slurm: mpirun where Slurm has no PMIx" grep -q "^mpirun .*thaw train" launched

clean
printf '%s\n' "--seed 1" "--seed 2 --lr 0.1" >sweep
CODE=0 SWEEP=sweep SLURM_ARRAY_TASK_ID=2 run bash "$jobs/slurm.sbatch"
check "slurm, array: the flags of line 2, a directory for task 2" grep -q -- "--out run-2 --unfreeze last:2 --seed 2 --lr 0.1$" launched
clean
SWEEP=sweep SLURM_ARRAY_JOB_ID=42 SLURM_ARRAY_TASK_ID=2 signalled USR1
check "slurm, array: the task alone is requeued" eval 'exits 75 && grep -qx "requeue 42_2" requeued'
SWEEP=sweep SLURM_ARRAY_TASK_ID=3 run bash "$jobs/slurm.sbatch"
check "slurm, array: more tasks than lines" exits 64 "no line 3: sweep: submit with --array=1-2"
SWEEP=sweep run bash "$jobs/slurm.sbatch"
check "slurm, array: not an array" eval '[ $code -ne 0 ] && err_has "submit with --array=1-N"'

clean
mkdir -p images/a
CODE=0 STAGE=$work/disk/local run bash "$jobs/slurm.sbatch"
check "slurm: images are copied to the local disk and removed" \
	eval 'grep -q -- "--data $work/disk/local/thaw-42 " launched && [ -z "$(ls disk/local)" ]'
LAUNCH=other run bash "$jobs/slurm.sbatch"
check "slurm: an unknown launcher" exits 64 LAUNCH
DATA='' run bash "$jobs/slurm.sbatch"
check "slurm: DATA is not set" eval '[ $code -ne 0 ] && err_has DATA'

clean
CODE=0 RANKS=3 run sh "$jobs/local.sh" --epochs 5
check "local: the command" eval 'exits 0 && grep -q "^mpirun -n 3 .*thaw train --model builtin --data images --out run --epochs 5$" launched'
CODE=75 run sh "$jobs/local.sh"
check "local: the exit code" exits 75
DATA='' run sh "$jobs/local.sh"
check "local: DATA is not set" eval '[ $code -ne 0 ] && err_has DATA'

# The container definition and the Spack package name what tools/deps.sh needs for a build: packages of Debian in the
# third column, of Spack in the fifth.
needed() { sed -n "/^build /s/  */ /gp" "$jobs/../tools/deps.sh" | cut -d ' ' -f "$1" | grep -v '^-$' | sort -u; }
named_in() { # named_in FILE NAME...: the file has all of the names as words
	local file=$1 name
	shift
	for name; do grep -qE "(^|[^a-z0-9.-])$name($|[^a-z0-9.-])" "$file" || { echo "# not in $file: $name"; return 1; }; done
}
check "container: the packages of a build" named_in "$jobs/thaw.def" $(needed 3)
check "spack: the packages of a build" named_in "$jobs/spack/packages/thaw/package.py" $(needed 5 | grep -vxE 'gcc|pkgconf')
# section NAME NUMBER: the shell commands of a section of the definition
section() { awk -v name="%$1" -v want="$2" '/^[%B]/ { on = $1 == name && ++n == want; next } on' "$jobs/thaw.def"; }
for i in 1 2; do
	run sh -n <(section post $i)
	check "container: the commands of stage $i are a shell script" eval 'exits 0 && section post $i | grep -q apt-get'
done

finish
