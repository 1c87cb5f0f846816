#!/bin/bash
# Makes the datasets of the study: data.sh FOLDER NAME...
# NAMEs are flowers12, edges (flowers12 as edge drawings), cifar10 and fashion. $FLOWERS and $CIFAR are folders with
# train/ and test/, each with one folder per class; $FASHION is a folder with the four IDX files. Large datasets are
# capped to limit the time of the grid. Datasets that exist in FOLDER are not made again.
set -euo pipefail
# shellcheck source=tests/study/cells.bash
source "$(dirname "$0")/cells.bash"

idx_header=16 # bytes before the pixels; before the labels 8
label_header=8
pixels=$((28 * 28))
folder=$1
shift

make_flowers12() { cp -rL "$FLOWERS/train" "$FLOWERS/test" "$1"; }

# draw IN OUT FILE: edges, dark on white: the same objects without colour and texture.
draw() {
	mkdir -p "$(dirname "$2/$3")"
	convert "$1/$3" -colorspace Gray -canny 0x1+8%+24% -negate -quality 92 "$2/$3"
}

make_edges() {
	export -f draw
	(cd "$FLOWERS" && find train test -name '*.jpg' -print0) |
		xargs -0 -P "$(nproc)" -I{} bash -c 'draw "$@"' - "$FLOWERS" "$1" {}
}

# cap SPLIT COUNT OUT: copies the first COUNT images of each class.
cap() {
	local class
	for class in "$CIFAR/$1"/*/; do
		class=$(basename "$class")
		mkdir -p "$3/$1/$class"
		(cd "$CIFAR/$1/$class" && find . -type f | sort | sed -n "1,$2p" | xargs cp -t "$3/$1/$class")
	done
}

make_cifar10() {
	cap train "$train_cap" "$1"
	cap test "$test_cap" "$1"
}

# big_endian NUMBER: writes its four bytes.
big_endian() {
	local hex
	hex=$(printf '%08x' "$1")
	printf '%b' "\\x${hex:0:2}\\x${hex:2:2}\\x${hex:4:2}\\x${hex:6:2}"
}

# first FILE.gz COUNT HEADER RECORD OUT: copies the first COUNT records of an IDX file.
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

# Training images are not capped here: --per-class does.
make_fashion() {
	local count
	count=$(tests_of fashion)
	cp -L "$FASHION"/train-*.gz "$1"
	first "$FASHION/t10k-images-idx3-ubyte.gz" "$count" $idx_header $pixels "$1/t10k-images-idx3-ubyte"
	first "$FASHION/t10k-labels-idx1-ubyte.gz" "$count" $label_header 1 "$1/t10k-labels-idx1-ubyte"
}

# A dataset appears complete or not at all.
folder=$(realpath -m "$folder")
for name; do
	[ -d "$folder/$name" ] && continue
	rm -rf "$folder/$name.part"
	mkdir -p "$folder/$name.part"
	"make_$name" "$folder/$name.part"
	mv "$folder/$name.part" "$folder/$name"
done
