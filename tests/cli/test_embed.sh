#!/bin/bash
# Features as a file, and classification by the nearest of them: thaw embed, thaw eval --knn. Usage: test_embed.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
images=$(realpath "$(dirname "$0")/../golden/images")
cd "$work" || exit 1
mkdir data
idx data/train 1100
idx data/t10k 40
WIDTH=128 # of the features of cifar_resnet8
embed=(embed --model cifar_resnet8 --data data --split train)

# ---- Files -----------------------------------------------------------------------------------------------------------

run "$thaw" "${embed[@]}" --out one.npy
check "features of all images" prints "one.npy: features of 1100 images, $WIDTH each"
check "the header of NumPy" eval 'head -c 128 one.npy | grep -qa "NUMPY.*<f4.*(1100, 128)"'
check "and the values after it" [ "$(stat -c %s one.npy)" -eq $((128 + 1100 * WIDTH * 4)) ]
check "a line for each row" eval '[ "$(wc -l <one.npy.tsv)" -eq 1101 ] && file_has one.npy.tsv "row	image	class	damaged"'
for ranks in 2 3; do
	run mpirun -np $ranks "$thaw" "${embed[@]}" --out $ranks.npy
	check "the same bytes from $ranks ranks" same_bytes one.npy $ranks.npy
done
run "$thaw" "${embed[@]}" --out one.safetensors
check "the same values as safetensors" eval 'exits 0 && cmp -s <(tail -c +129 one.npy) <(tail -c $((1100 * WIDTH * 4)) one.safetensors)'
check "which says what they are of" grep -qa thaw.embed one.safetensors
run "$thaw" "${embed[@]}" --out one.npy
check "an old file stays" fails_once 78 "the file exists: one.npy"
run "$thaw" "${embed[@]}" --out one.txt
check "another ending" fails_once 64 "FILE.npy or FILE.safetensors"

# ---- Interruptions ---------------------------------------------------------------------------------------------------

# interrupt FILE: a start that is killed while FILE is written.
interrupt() {
	for _ in 1 2 3 4 5; do
		"$thaw" "${embed[@]}" --out "$1" >/dev/null 2>&1 &
		while kill -0 $! 2>/dev/null && [ ! -e "$1.partial.json" ]; do sleep 0.01; done
		kill -9 $! 2>/dev/null
		wait $! 2>/dev/null
		[ -e "$1.partial.json" ] && return
		rm -f "$1" "$1.tsv"
	done
}
interrupt late.npy
check "no file before it is complete" eval '[ ! -e late.npy ] && [ -e late.npy.partial ]'
head -c $((128 + 1024 * WIDTH * 4 + 99)) one.npy >late.npy.partial # 99 bytes more than are recorded
sed -i 's/"rows": [0-9]*/"rows": 1024/; s/"bytes": [0-9]*/"bytes": '$((128 + 1024 * WIDTH * 4))'/' late.npy.partial.json
cp late.npy.partial other.npy.partial
cp late.npy.partial.json other.npy.partial.json
cp late.npy.partial.json short.npy.partial.json
head -c 999 late.npy.partial >short.npy.partial
run mpirun -np 2 "$thaw" "${embed[@]}" --out late.npy
check "another start goes on" eval 'prints "1024 were there" && cmp -s one.npy late.npy && cmp -s one.npy.tsv late.npy.tsv'
check "and leaves nothing else" [ ! -e late.npy.partial -a ! -e late.npy.partial.json ]
run "$thaw" "${embed[@]}" --seed 2 --out other.npy
check "rows of another network are not continued" fails_once 78 "another network or other flags: other.npy.partial"
run "$thaw" "${embed[@]}" --out short.npy
check "rows that are missing are not zeros" fails_once 65 "999 of 524416 bytes: short.npy.partial"

# ---- Damaged images --------------------------------------------------------------------------------------------------

mkdir -p files/a files/b
cp "$images/rgb.png" files/a/x.png
cp "$images/exif1.jpg" files/b/y.jpg
head -c 100 "$images/rgb.png" >files/a/broken.png
run "$thaw" embed --model cifar_resnet8 --data files --out files.npy
check "a damaged image keeps its row" prints "features of 2 images" "1 damaged images have NaN"
check "the log says which images" err_has "data: files: 2 classes"
check "which is marked" file_has files.npy.tsv "broken.png	a	1" "x.png	a	0" "y.jpg	b	0"
run "$thaw" embed --model cifar_resnet8 --data files --out few.npy --max-damaged 0
check "more damaged images than may be" eval 'fails_once 65 damaged && [ ! -e few.npy ]'

# ---- Nearest neighbours ----------------------------------------------------------------------------------------------

knn=(eval --model cifar_resnet8 --data data --json)
run "$thaw" "${knn[@]}" --knn 7
cp out one
check "classes by the nearest training images" reports knn=7 images=40 reference_images=1100
run mpirun -np 3 "$thaw" "${knn[@]}" --knn 7
check "the same from 3 ranks" same_bytes one out
mkdir twins
cp -r data/train-* twins
for kind in images labels; do cp "$(echo data/train-"$kind"*)" "twins/$(basename "$(echo data/train-"$kind"*)" | sed s/train/t10k/)"; done
run "$thaw" eval --model cifar_resnet8 --data twins --json --knn 1
check "the nearest of an image is itself" reports top1=1.0
run "$thaw" "${knn[@]}" --knn 1101
check "more neighbours than images" fails_once 78 "1101 neighbours of 1100 images"
mkdir split
cp -r files split/train
mkdir -p split/test/a split/test/b
cp "$images/rgb.png" split/test/a/x.png
cp "$images/exif1.jpg" split/test/b/y.jpg
run "$thaw" eval --model cifar_resnet8 --data split --knn 1 --json
check "a damaged training image is left out" reports images=2 reference_images=2
run "$thaw" eval --model cifar_resnet8 --data split --knn 1 --max-damaged 0
check "more damaged training images than may be" fails_once 65 damaged
run "$thaw" "${knn[@]}" --knn 3 --lanes 4
check "flags that do nothing there are refused" fails_once 64 "--knn with --lanes"
run "$thaw" "${knn[@]}" --knn 3 --split train
check "images are not their own neighbours" fails_once 64 "its own neighbour"

finish
