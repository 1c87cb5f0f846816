#!/bin/sh
# Fine-tunes on this machine: one rank per core. Set the variables, or give them in the environment:
#
#     DATA=flowers OUT=runs/flowers jobs/local.sh --unfreeze last:2 --epochs 5
#
# The same command starts the run, continues it after a stop, or says that it is done. Further arguments go to
# thaw train. To stop: kill -USR1 the mpirun process; the ranks save, and the exit code is 75. After ^C mpirun gives
# them one second, which a large network may not have saved in; the checkpoint before it is then the newest.
set -eu

MODEL=${MODEL:-builtin}   # a network file, FAMILY:FILE, a run directory, or builtin
DATA=${DATA:?set DATA to the folder of images}
OUT=${OUT:?set OUT to the run directory}
RANKS=${RANKS:-$(nproc)}  # as many as this process may use cores
THAW=${THAW:-thaw}        # the program
MPIRUN=${MPIRUN:-mpirun}

# BLAS and OpenMP make no threads of their own: the ranks are the parallelism.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# --oversubscribe: RANKS above are cores, while mpirun may count slots in another way (hyper-threads,
# containers). Binding to cores fails where a container hides them; the kernel then places the ranks.
binding="--bind-to core --map-by core"
# shellcheck disable=SC2086 # $binding is several words
"$MPIRUN" -n "$RANKS" $binding true 2>/dev/null || binding="--bind-to none --oversubscribe"

# shellcheck disable=SC2086 # $binding is several words
exec "$MPIRUN" -n "$RANKS" $binding "$THAW" train --model "$MODEL" --data "$DATA" --out "$OUT" "$@"
