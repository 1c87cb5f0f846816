#!/bin/bash
# Fine-tunes under PBS (OpenPBS, PBS Pro, Torque), on one node or several. Set the variables below (or pass them with
# qsub -v DATA=...,OUT=...), then, from the folder of Thaw,
#
#     qsub jobs/pbs.sh
#
# PBS announces the end of the time limit only ten seconds before it kills the job. So this script has a timer: two minutes
# before the limit thaw saves and exits with 75, and the script submits itself again. The same command resumes the run, on
# any number of nodes. A job that PBS itself requeues (-r y: preemption, a failed node) resumes too. After qdel the script
# is not submitted again.

#PBS -N thaw
#PBS -S /bin/bash
#PBS -l select=2:ncpus=32:mpiprocs=32
#PBS -l walltime=04:00:00
#PBS -j oe
#PBS -r y
# One rank per core. Torque has -l nodes=2:ppn=32 instead of select.

MODEL=${MODEL:-builtin}            # a network file, FAMILY:FILE, a run directory, or builtin
DATA=${DATA:?set DATA to the folder of images}
OUT=${OUT:?set OUT to the run directory, on a file system that all nodes see}
FLAGS=${FLAGS:---unfreeze last:2}  # further flags of thaw train
STAGE=${STAGE:-}                   # a folder on the local disk of each node: DATA is copied there first
THAW=${THAW:-thaw}                 # the program
MPIRUN=${MPIRUN:-mpirun}           # of the MPI that thaw was built with
SCRIPT=${SCRIPT:-jobs/pbs.sh}      # this file: PBS gives the shell a copy of it on stdin
LEAD=${LEAD:-120}                  # seconds before the time limit

set -u
cd "${PBS_O_WORKDIR:?submit this script with qsub}" || exit 74
[ -f "$SCRIPT" ] || { echo "no such file: $PWD/$SCRIPT: set SCRIPT to the path of this script" >&2; exit 64; }
export MODEL DATA OUT FLAGS STAGE THAW MPIRUN SCRIPT LEAD
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# When a node or its network is lost, Open MPI's mpirun notices after 50 s and returns 205. By default it would wait for
# that node until TCP gives up, many minutes after the ranks have ended.
export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5 OMPI_MCA_oob_tcp_keepalive_probes=6
images=$DATA
mpirun=("$MPIRUN" --hostfile "$PBS_NODEFILE")

# Signals for the ranks go through mpirun as USR1; TERM would make mpirun kill them. PBS sends TERM for qdel, for
# preemption and at the time limit.
program='' asked='' limit='' code=''
# shellcheck disable=SC2317 # the traps call it
tell_ranks() {
	asked=yes
	[ -z "$program" ] || kill -USR1 "$program" 2>/dev/null
}
trap 'limit=yes; tell_ranks' USR1
trap tell_ranks TERM

if [ -n "$STAGE" ]; then
	images=$STAGE/thaw-$PBS_JOBID
	# shellcheck disable=SC2016 # expanded on the nodes
	"${mpirun[@]}" --map-by ppr:1:node sh -c \
		'test -e "$2" || { rm -rf "$2.part" && mkdir -p "${2%/*}" && cp -rL "$1" "$2.part" && mv "$2.part" "$2"; }' sh "$DATA" "$images" \
		</dev/null || code=74
	[ "$code$asked" != 74 ] || echo "cannot copy $DATA: $images: is the local disk full?" >&2
	trap '"${mpirun[@]}" --map-by ppr:1:node rm -rf "$images" "$images.part" </dev/null' EXIT
fi

# The time limit in seconds: Torque's variable, or what qstat says; empty if there is none.
walltime=${PBS_WALLTIME:-$(qstat -f "$PBS_JOBID" 2>/dev/null |
	awk '/Resource_List.walltime/ { n = split($3, t, ":"); s = 0; for (i = 1; i <= n; i++) s = s * 60 + t[i]; print s }')}
timer=
if [ "${walltime:-0}" -gt "$LEAD" ]; then
	{
		sleep $((walltime - LEAD)) &
		nap=$!
		trap 'kill $nap; exit' TERM
		wait $nap && kill -USR1 $$
	} &
	timer=$!
else
	echo "no time limit is known, or it is less than $LEAD s: the run is not saved before it" >&2
fi

run() {
	# shellcheck disable=SC2086 # $FLAGS is several words
	"${mpirun[@]}" --bind-to core --map-by core "$THAW" train --model "$MODEL" --data "$images" --out "$OUT" $FLAGS </dev/null &
	program=$!
	# A trapped signal interrupts wait. The final wait returns the exit code of the finished program.
	while kill -0 $program 2>/dev/null; do
		wait $program
	done
	wait $program
	code=$?
}
[ -z "$asked" ] || code=75 # while the images were copied
[ -n "$code" ] || run
# The signal may come before mpirun listens to it, or interrupt wait in such a way that bash loses the exit code (-1).
[ -z "$asked" ] || { [ "$code" -ge 0 ] && [ "$code" -lt 128 ]; } || code=75
[ -z "$timer" ] || kill $timer 2>/dev/null

if [ $code -eq 75 ] && [ -n "$limit" ]; then
	if next=$(qsub -v MODEL,DATA,OUT,FLAGS,STAGE,THAW,MPIRUN,SCRIPT,LEAD "$SCRIPT" 2>&1 </dev/null); then
		echo "saved at the time limit; goes on as job $next"
	else
		echo "saved at the time limit, but qsub failed: ${next##*: }: submit the script again to continue" >&2
	fi
elif [ $code -eq 75 ]; then
	echo "saved: submit the script again to continue, unless PBS has requeued the job"
fi
[ $code -ne 205 ] || echo "a node or its network was lost: submit the script again to continue"
exit $code
