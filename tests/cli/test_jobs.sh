#!/bin/bash
# The job scripts, with stand-ins for the launchers and the program: the command that they start, and how they handle
# signals and exit codes. Usage: test_jobs.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
jobs=$(realpath "$(dirname "$0")/../../jobs")
cd "$work" || exit 1

stand_in() { # stand_in NAME: the body comes from stdin
	{
		echo '#!/bin/bash'
		cat
	} >"bin/$1"
	chmod +x "bin/$1"
}
mkdir bin
PATH=$work/bin:$PATH
# A launcher that runs one rank and forwards signals, as srun and mpirun do.
for launcher in srun mpirun; do
	stand_in $launcher <<'END'
echo "$(basename "$0") $*" >>launched
while [[ $1 == -* || $1 == [0-9]* || $1 == core || $1 == none ]]; do shift; done
"$@" &
rank=$!
trap 'kill -USR1 $rank' USR1
trap 'kill -KILL $rank' TERM
while kill -0 $rank 2>/dev/null; do wait $rank; done
wait $rank
END
done
stand_in scontrol <<'END'
echo "$*" >>requeued
END
# A program that exits with 75 on USR1, and otherwise with $CODE.
stand_in thaw <<'END'
trap 'exit 75' USR1
echo running >>ran
[ -n "${CODE:-}" ] && exit $CODE
for ((i = 0; i < 500; i++)); do sleep 0.02; done
END
export DATA=images OUT=run SLURM_JOB_ID=42 THAW=thaw

clean() { rm -f launched requeued ran; }
# signalled NAME: sends a signal to the Slurm script while the program runs
signalled() {
	bash "$jobs/slurm.sbatch" >out 2>err &
	local script=$! i
	for ((i = 0; i < 250; i++)); do
		[ -e ran ] && break
		sleep 0.02
	done
	kill "-$1" $script
	command="slurm.sbatch, $1"
	wait $script
	code=$?
}

for LAUNCH in srun mpirun; do
	export LAUNCH
	clean
	CODE=0 run bash "$jobs/slurm.sbatch"
	check "slurm, $LAUNCH: a complete run is not requeued" eval 'exits 0 && [ ! -e requeued ]'
	check "slurm, $LAUNCH: the command" grep -q "^$LAUNCH .*thaw train --model builtin --data images --out run --unfreeze" launched
	clean
	signalled USR1
	check "slurm, $LAUNCH: saved and requeued at the time limit" eval 'exits 75 && grep -qx "requeue 42" requeued'
	clean
	signalled TERM
	check "slurm, $LAUNCH: saved and not requeued when cancelled" eval 'exits 75 && [ ! -e requeued ]'
	clean
	CODE=65 run bash "$jobs/slurm.sbatch"
	check "slurm, $LAUNCH: a failed job is not requeued" eval 'exits 65 && [ ! -e requeued ]'
done
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

finish
