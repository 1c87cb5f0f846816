#!/bin/bash
# Training at a range of input sizes against a fixed one: accuracy at several evaluation sizes, over seeds. Prints each
# accuracy, and for each evaluation size the mean and standard error of both and of their paired difference.
#
#   sizes.sh THAW MODEL DATA FOLDER [FLAG...]
#
# MODEL and DATA as for thaw train, FLAG... its further flags. Runs are kept in FOLDER: the same command continues.
# Variables: RANGE (160-288), FIXED (224), EVAL ("160 224 288"), SEEDS (5), RANKS (1). For example:
#
#   sizes.sh build/thaw efficientnet_lite0:efficientnet-lite0-57934424.pth flowers12 sizes --unfreeze all --epochs 10 \
#     --head-epochs 2 --batch 32 --lr 0.01
set -u
if [ $# -lt 4 ]; then
	sed -n '2,/^set/{/^set/!s/^# \{0,1\}//p}' "$0"
	exit 64
fi
thaw=$1 model=$2 data=$3 folder=$4
shift 4
range=${RANGE:-160-288} fixed=${FIXED:-224} ranks=${RANKS:-1}
read -ra sides <<<"${EVAL:-160 224 288}"
mkdir -p "$folder" || exit 74
table=$folder/accuracy.txt
touch "$table" "$folder/log"

parallel() {
	if [ "$ranks" -gt 1 ]; then mpirun --oversubscribe -np "$ranks" "$@"; else "$@"; fi
}
# measured SEED SIZE SIDE: whether the table has it, from an earlier start.
measured() { grep -q "^$1 $2 $3 " "$table"; }
# accuracy RUN SIDE: of the test images, in percent.
accuracy() {
	parallel "$thaw" eval --model "$1" --data "$data" --size "$2" --json 2>>"$folder/log" |
		grep -o '"top1": *[0-9.e-]*' | head -n 1 | awk -F: '{ printf "%.4f", 100 * $2 }'
}

for ((seed = 1; seed <= ${SEEDS:-5}; seed++)); do
	for size in "$fixed" "$range"; do
		run=$folder/$size-$seed
		if ! parallel "$thaw" train --model "$model" --data "$data" --out "$run" --size "$size" \
			--eval-size "$fixed" --seed "$seed" --test-share 0.2 "$@" >>"$folder/log" 2>&1; then
			tail -n 1 "$folder/log" >&2
			exit 1
		fi
		for side in "${sides[@]}"; do
			measured "$seed" "$size" "$side" && continue
			percent=$(accuracy "$run" "$side")
			echo "$seed $size $side ${percent:?no accuracy: see $folder/log}" | tee -a "$table"
		done
	done
done

awk -v fixed="$fixed" '
	$2 == fixed { a[$3, $1] = $4 }
	$2 != fixed { b[$3, $1] = $4 }
	!($3 in seen) { seen[$3]; order[++sides] = $3 }
	$1 > seeds { seeds = $1 }
	function add(x) { n++; sum += x; squares += x * x }
	function text(   mean, variance) {
		mean = sum / n
		variance = n > 1 ? (squares - n * mean * mean) / (n - 1) : 0
		n = sum = squares = 0
		return sprintf("%7.2f +- %.2f", mean, sqrt(variance > 0 ? variance / seeds : 0))
	}
	END {
		printf "\n%10s %16s %16s %16s\n", "evaluated", "fixed " fixed, "range", "difference"
		for (i = 1; i <= sides; i++) {
			s = order[i]
			for (k = 1; k <= seeds; k++) add(a[s, k])
			first = text()
			for (k = 1; k <= seeds; k++) add(b[s, k])
			second = text()
			for (k = 1; k <= seeds; k++) add(b[s, k] - a[s, k])
			printf "%10d %16s %16s %16s\n", s, first, second, text()
		}
	}' "$table"
