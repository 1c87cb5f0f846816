#!/bin/bash
# Fine-tunes under Grid Engine (SGE, UGE, OGE), on one node or several. Set the variables below (or pass them with
# qsub -v DATA=...,OUT=...), then
#
#     qsub jobs/sge.sh
#
# At the soft time limit (s_rt) Grid Engine sends USR1. thaw saves and exits with 75, and this script with 99, for which Grid
# Engine requeues the job. The same command resumes the run, on any number of nodes. USR1 also announces a suspension
# (-notify): the run then leaves its cores and is requeued instead. USR2 announces qdel: the run saves and is not requeued.

#$ -N thaw
#$ -S /bin/bash
#$ -cwd
#$ -j y
#$ -o thaw-$JOB_ID.log
#$ -pe mpi 64
#$ -l h_rt=04:00:00,s_rt=03:57:00
#$ -r y
#$ -notify
# One rank per slot. The parallel environment (-pe) has another name on each cluster: qconf -spl lists them.

MODEL=${MODEL:-builtin}            # a network file, FAMILY:FILE, a run directory, or builtin
DATA=${DATA:?set DATA to the folder of images}
OUT=${OUT:?set OUT to the run directory, on a file system that all nodes see}
FLAGS=${FLAGS:---unfreeze last:2}  # further flags of thaw train
STAGE=${STAGE:-}                   # a folder on the local disk of each node: DATA is copied there first
THAW=${THAW:-thaw}                 # the program
MPIRUN=${MPIRUN:-mpirun}           # of the MPI that thaw was built with

set -u
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# When a node or its network is lost, Open MPI's mpirun notices after 50 s and returns 205. By default it would wait for
# that node until TCP gives up, many minutes after the ranks have ended.
export OMPI_MCA_oob_tcp_keepalive_time=20 OMPI_MCA_oob_tcp_keepalive_intvl=5 OMPI_MCA_oob_tcp_keepalive_probes=6
awk '{ print $1 " slots=" $2 }' "${PE_HOSTFILE:?submit this script with qsub -pe}" >"$TMPDIR/hosts" || exit 74
mpirun=("$MPIRUN" --hostfile "$TMPDIR/hosts" -n "$NSLOTS")

# Signals for the ranks go through mpirun as USR1.
program='' asked='' requeue=yes code=''
# shellcheck disable=SC2317 # the traps call it
tell_ranks() {
	asked=yes
	[ -z "$program" ] || kill -USR1 "$program" 2>/dev/null
}
trap tell_ranks USR1
trap 'requeue=""; tell_ranks' USR2 TERM

if [ -n "$STAGE" ]; then
	local_data=$STAGE/thaw-$JOB_ID
	# shellcheck disable=SC2016 # expanded on the nodes
	"$MPIRUN" --hostfile "$TMPDIR/hosts" --map-by ppr:1:node sh -c \
		'test -e "$2" || { rm -rf "$2.part" && mkdir -p "${2%/*}" && cp -rL "$1" "$2.part" && mv "$2.part" "$2"; }' sh "$DATA" "$local_data" \
		</dev/null || code=74
	[ "$code$asked" != 74 ] || echo "cannot copy $DATA: $local_data: is the local disk full?" >&2
	trap '"$MPIRUN" --hostfile "$TMPDIR/hosts" --map-by ppr:1:node rm -rf "$local_data" "$local_data.part" </dev/null' EXIT
	DATA=$local_data
fi

run() {
	# shellcheck disable=SC2086 # $FLAGS is several words
	"${mpirun[@]}" --bind-to core --map-by core "$THAW" train --model "$MODEL" --data "$DATA" --out "$OUT" $FLAGS </dev/null &
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

if [ $code -eq 75 ] && [ -n "$requeue" ]; then
	echo "saved; Grid Engine puts the job back into the queue"
	exit 99
fi
[ $code -ne 75 ] || echo "saved: submit the script again to continue"
[ $code -ne 205 ] || echo "a node or its network was lost: submit the script again to continue"
exit $code
