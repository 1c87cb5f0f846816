# Functions for tests that interrupt small runs. Source it with the build folder as $1; it sets $thaw, $work, $run.
# shellcheck shell=bash disable=SC2034 # the tests use what is assigned here
thaw=$(realpath "$1")/thaw
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
source=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
work=$(mktemp -d "${TMPDIR:-/tmp}/thaw-soak-XXXXXX")
run=$work/run
failed=0

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_hwloc_base_binding_policy=none OPENBLAS_NUM_THREADS=1

check() { # check NAME CONDITION...
	if "${@:2}"; then
		echo "ok $1"
	else
		echo "not ok $1 (see $work)"
		failed=1
	fi
}

# idx NAME KIND HEADER BYTES COUNT: the first COUNT items, of BYTES each, of one of the dataset's files, with a new header
idx() {
	{
		printf '%b' "\\0\\0\\010\\00$2\\0\\0$(printf '\\0%03o\\0%03o' $(($5 / 256)) $(($5 % 256)))"
		gzip -dc "$source/$1-ubyte.gz" | tail -c +9 | head -c $(($3 + $4 * $5))
	} | gzip >"$work/data/$1-ubyte.gz"
}
training_images=240
# Makes these and 60 test images. A run of 60 steps takes about two seconds.
make_data() {
	mkdir "$work/data"
	idx train-images-idx3 3 8 784 "$training_images"
	idx train-labels-idx1 1 0 1 "$training_images"
	idx t10k-images-idx3 3 8 784 60
	idx t10k-labels-idx1 1 0 1 60
}

# Lanes, batches and ranks do not divide each other evenly. A lane is the least that a rank can have: 8 ranks at most.
args=(train --data "$work/data" --model cifar_resnet8 --unfreeze all --bn lane --size 16 --lanes 11 --batch 26
	--lr 0.05 --jitter 0.3)
weights() { sha256sum <"$1/model.safetensors"; }
metrics() { sed 's/"seconds": *[0-9.e+-]*//' "$1/metrics.jsonl"; } # without the times
same() { [ "$(weights "$1")" = "$(weights "$2")" ] && [ "$(metrics "$1")" = "$(metrics "$2")" ]; } # same RUN RUN
# The functions below are called in loops beside busy ranks: they start few processes.
# newest_step: sets $step to the newest step of the run, 0 if there is none.
newest_step() {
	local lines i
	step=0
	[ -e "$run/metrics.jsonl" ] && mapfile -t lines <"$run/metrics.jsonl" || return 0
	for ((i = ${#lines[@]} - 1; i >= 0; i--)); do
		[[ ${lines[i]} =~ ^\{\"event\":\"step\",\"step\":([0-9]+), ]] && step=${BASH_REMATCH[1]} && return
	done
}

# Processes of the current job: mpirun, its daemons and the ranks inherit THAW_SOAK.
members() { grep -lsxzF "THAW_SOAK=$run" /proc/[0-9]*/environ | cut -d / -f 3; }
alive() { [ "/proc/$1/exe" -ef "$thaw" ]; } # alive PROCESS: it is a rank, and not a zombie
# find_ranks: sets $ranks to the processes of the ranks
find_ranks() {
	local pid
	ranks=()
	for pid in $(members); do alive "$pid" && ranks+=("$pid"); done
	[ ${#ranks[@]} -gt 0 ]
}
# any_rank: whether one of $ranks, or a newer one, is alive
any_rank() {
	local pid
	for pid in "${ranks[@]}"; do alive "$pid" && return; done
	find_ranks
}
kill_members() {
	local pid
	for pid in $(members); do kill -KILL "$pid" 2>/dev/null; done
}
milliseconds() { date +%s%3N; }
nap() { sleep "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))"; } # nap MILLISECONDS
