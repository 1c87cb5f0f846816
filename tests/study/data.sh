#!/bin/bash
# The datasets of the study, made of what the caller has:
#   data.sh FOLDER FLOWERS CIFAR FASHION
# FLOWERS and CIFAR are folders with train/ and test/ of one folder a class, FASHION one with the four IDX files.
# FOLDER receives flowers12, edges (flowers12 as drawings), cifar10 and fashion; large sets are capped, so that the grid
# over them ends. What is there already stays.
set -euo pipefail

train_cap=100 # images of a class
test_cap=200
idx_header=16 # bytes before the pixels; before the labels 8
label_header=8
pixels=$((28 * 28))

folder=$1 flowers=$2 cifar=$3 fashion=$4

die() { echo "data.sh: $*" >&2; exit 1; }
[ -d "$flowers/train" ] || die "no folder $flowers/train: FLOWERS: name the folder of flowers12.tar"
[ -d "$cifar/train" ] || die "no folder $cifar/train: CIFAR: name the folder of cifar10.tar.zst"
[ -f "$fashion/train-images-idx3-ubyte.gz" ] || die "no IDX files in $fashion: FASHION: apt-get install dataset-fashion-mnist"
command -v convert > /dev/null || die "no convert: apt-get install imagemagick"

# make NAME COMMAND...: NAME exists whole or not at all.
make() {
	local name=$1
	shift
	[ -d "$folder/$name" ] && return
	rm -rf "$folder/$name.part"
	mkdir -p "$folder/$name.part"
	"$@" "$folder/$name.part"
	mv "$folder/$name.part" "$folder/$name"
}

make_flowers() { cp -rL "$flowers/train" "$flowers/test" "$1"; }

# Lines where the brightness changes, dark on white: the same objects without colour and texture.
draw() {
	mkdir -p "$(dirname "$2")"
	convert "$1" -colorspace Gray -canny 0x1+8%+24% -negate -quality 92 "$2"
}

make_edges() {
	local out=$1 list
	list=$(cd "$flowers" && find train test -name '*.jpg' | sort)
	export -f draw
	# shellcheck disable=SC2086
	printf '%s\n' $list | xargs -P "$(nproc)" -I{} bash -c 'draw "$1/$3" "$2/$3"' - "$flowers" "$out" {}
}

# cap SPLIT COUNT OUT: the first so many images of each class.
cap() {
	local class
	for class in "$cifar/$1"/*/; do
		class=$(basename "$class")
		mkdir -p "$3/$1/$class"
		(cd "$cifar/$1/$class" && find . -type f | sort | sed -n "1,$2p" | xargs cp -t "$3/$1/$class")
	done
}

make_cifar() {
	cap train "$train_cap" "$1"
	cap test "$test_cap" "$1"
}

# big_endian NUMBER: its four bytes.
big_endian() {
	local hex
	hex=$(printf '%08x' "$1")
	printf '%b' "\\x${hex:0:2}\\x${hex:2:2}\\x${hex:4:2}\\x${hex:6:2}"
}

# first FILE.gz COUNT HEADER RECORD OUT: of an IDX file the first so many records.
first() {
	local file=$1 count=$2 header=$3 record=$4 out=$5
	zcat "$file" > "$out.whole"
	{
		head -c 4 "$out.whole"
		big_endian "$count"
		head -c $((header + count * record)) "$out.whole" | tail -c +9
	} > "$out"
	rm "$out.whole"
}

# Training images stay whole: --per-class caps them.
make_fashion() {
	local count=$((10 * test_cap))
	cp -L "$fashion"/train-*.gz "$1"
	first "$fashion/t10k-images-idx3-ubyte.gz" $count $idx_header $pixels "$1/t10k-images-idx3-ubyte"
	first "$fashion/t10k-labels-idx1-ubyte.gz" $count $label_header 1 "$1/t10k-labels-idx1-ubyte"
}

mkdir -p "$folder"
make flowers12 make_flowers
make edges make_edges
make cifar10 make_cifar
make fashion make_fashion
