#!/bin/sh
# Fine-tunes on this machine with one rank per core. Set the variables below, or give them in the environment:
#
#     DATA=flowers OUT=runs/flowers jobs/local.sh --unfreeze last:2 --epochs 5
#
# The same command starts the run, continues it after an interruption, or reports that it is complete. Further arguments
# are passed to thaw train. To stop it, send SIGUSR1 to the mpirun process: the ranks save, and the exit code is 75. After
# Ctrl-C mpirun gives the ranks one second, which may be too short to save a large network; the run then resumes from the
# previous checkpoint.
set -eu

MODEL=${MODEL:-builtin}   # a network file, FAMILY:FILE, a run directory, or builtin
DATA=${DATA:?set DATA to the folder of images}
OUT=${OUT:?set OUT to the run directory}
RANKS=${RANKS:-$(nproc)}  # the number of cores that this process may use
THAW=${THAW:-thaw}        # the program
MPIRUN=${MPIRUN:-mpirun}

# No BLAS or OpenMP threads: the ranks use all cores.
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# Binding to cores fails in containers that hide the topology; the kernel then places the ranks. --oversubscribe is needed
# because mpirun may count fewer slots than RANKS (hyper-threads, containers).
binding="--bind-to core --map-by core"
# shellcheck disable=SC2086 # $binding is several words
"$MPIRUN" -n "$RANKS" $binding true 2>/dev/null || binding="--bind-to none --oversubscribe"

# shellcheck disable=SC2086 # $binding is several words
exec "$MPIRUN" -n "$RANKS" $binding "$THAW" train --model "$MODEL" --data "$DATA" --out "$OUT" "$@"
