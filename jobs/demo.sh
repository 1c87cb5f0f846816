#!/bin/sh
# Transfer learning in one table: the built-in network, pretrained on CIFAR-10 and fine-tuned on a few images of
# Fashion-MNIST by two MPI ranks, beside the same network trained from random weights on the same images for the same
# number of steps. `make demo` runs it. Usage: jobs/demo.sh THAW [DIRECTORY]
set -eu

DATA=${DATA:-/usr/share/datasets/fashion-mnist} # Debian's package dataset-fashion-mnist
RANKS=${RANKS:-2}
EPOCHS=${EPOCHS:-40}
THAW=$1
OUT=${2:-$(mktemp -d)}
mkdir -p "$OUT"

export OMPI_ALLOW_RUN_AS_ROOT="${OMPI_ALLOW_RUN_AS_ROOT:-1}" OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OPENBLAS_NUM_THREADS=1

# The same settings for both. One lane per rank, so that each lane has batches of 16 images.
settings="--unfreeze all --bn lane --lr 0.05 --batch 32 --lanes $RANKS --epochs $EPOCHS --eval-every $EPOCHS
	--scale-min 0.7 --seed 1"

# accuracy NAME MODEL IMAGES: trains on IMAGES images per class and prints the test accuracy; the log is OUT/NAME.log
accuracy() {
	log=$OUT/$1.log
	# shellcheck disable=SC2086 # $settings is several words
	result=$(mpirun --oversubscribe -np "$RANKS" "$THAW" train --model "$2" --data "$DATA" --out "$OUT/$1" \
		--per-class "$3" $settings --json 2>"$log") || {
		code=$?
		{ grep "^thaw: " "$log" || tail -n 5 "$log"; } >&2
		echo "demo: the training failed: the log is $log" >&2
		return "$code"
	}
	echo "$result" | sed -n 's/.*"top1": *\([0-9.]*\).*/\1/p'
}

echo "Fashion-MNIST, $RANKS ranks, $EPOCHS epochs; test accuracy over all 10,000 test images."
echo "This takes a few minutes. The runs and their logs are in $OUT."
printf '%-18s %14s %14s\n' 'images per class' 'from scratch' 'fine-tuned'
for images in 10 50; do
	scratch=$(accuracy "scratch-$images" cifar_resnet8 "$images")
	tuned=$(accuracy "tuned-$images" builtin "$images")
	awk -v n="$images" -v s="$scratch" -v t="$tuned" \
		'BEGIN { printf "%-18d %13.1f%% %13.1f%%\n", n, 100 * s, 100 * t }'
done
