#!/bin/bash
# Fine-tunes under LSF, on one node or several. Set the variables below (or in the environment), then
#
#     bsub < jobs/lsf.sh
#
# Two minutes before the time limit LSF sends USR1 (-wa, -wt). thaw saves and exits with 75, for which LSF requeues the job
# (-Q), and the same command resumes the run, on any number of nodes. After bkill the job is not requeued.

#BSUB -J thaw
#BSUB -L /bin/bash
#BSUB -n 64
#BSUB -R "span[ptile=32]"
#BSUB -W 4:00
#BSUB -o thaw-%J.log
#BSUB -wa USR1
#BSUB -wt 2
#BSUB -r
#BSUB -Q "75"
# One rank per core: -n in all, ptile on each node. -r: rerun after the failure of a node. -Q: requeue after exit code 75.

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
mpirun=("$MPIRUN" --hostfile "${LSB_DJOB_HOSTFILE:?submit this script with bsub}")

# Signals for the ranks go through mpirun as USR1; INT and TERM, which bkill sends, would make mpirun kill them.
program='' asked='' killed='' code=''
# shellcheck disable=SC2317 # the traps call it
tell_ranks() {
	asked=yes
	[ -z "$program" ] || kill -USR1 "$program" 2>/dev/null
}
trap tell_ranks USR1
trap 'killed=yes; tell_ranks' INT TERM

if [ -n "$STAGE" ]; then
	local_data=$STAGE/thaw-$LSB_JOBID
	# shellcheck disable=SC2016 # expanded on the nodes
	"${mpirun[@]}" --map-by ppr:1:node sh -c \
		'test -e "$2" || { rm -rf "$2.part" && mkdir -p "${2%/*}" && cp -rL "$1" "$2.part" && mv "$2.part" "$2"; }' sh "$DATA" "$local_data" \
		</dev/null || code=74
	[ "$code$asked" != 74 ] || echo "cannot copy $DATA: $local_data: is the local disk full?" >&2
	trap '"${mpirun[@]}" --map-by ppr:1:node rm -rf "$local_data" "$local_data.part" </dev/null' EXIT
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

if [ $code -eq 75 ] && [ -n "$killed" ]; then
	echo "saved, killed: submit the script again to continue"
	exit 130 # not 75, for which LSF would requeue the job
fi
[ $code -ne 205 ] || echo "a node or its network was lost: submit the script again to continue"
[ $code -ne 75 ] || echo "saved; LSF puts the job back into the queue"
exit $code
