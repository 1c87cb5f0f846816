#!/bin/bash
# Predictions of many images as a file: thaw predict --out. Usage: test_predict_file.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
images=$(realpath "$(dirname "$0")/../golden/images")
cd "$work" || exit 1
mkdir -p data/a data/b
for i in $(seq 150); do cp "$images/rgb.png" "data/a/$i.png"; done
cp "$images/exif1.jpg" 'data/b/"q", é.jpg'
head -c 100 "$images/rgb.png" >data/b/broken.png
predict=(predict --model cifar_resnet8 --top 2)

# ---- Places of images, formats, ranks --------------------------------------------------------------------------------

run "$thaw" "${predict[@]}" --data data --out one.csv
check "images that cannot be used determine the exit code" exits 65 "cannot use 1 of 152 images" "one.csv has the reasons"
check "the head of the file" eval '[ "$(head -n 1 one.csv)" = image,label,predicted,probability,predicted2,probability2,error ]'
check "a line for each image" eval '[ "$(wc -l <one.csv)" -eq 153 ]'
check "in the order of the dataset, with labels" eval 'sed -n 2p one.csv | grep -q "^a/1.png,a,[0-9]*,0.[0-9]*,[0-9]*,0.[0-9]*,$"'
check "names are quoted where they must be" file_has one.csv '"b/""q"", é.jpg",b,'
check "the reason of a failure" eval 'grep "^b/broken.png,b,,,,,.*broken.png" one.csv >/dev/null'
for ranks in 2 3; do
	run mpirun -np $ranks "$thaw" "${predict[@]}" --data data --out $ranks.csv
	check "the same bytes from $ranks ranks" eval '[ $code -eq 65 ] && cmp -s one.csv $ranks.csv'
done
run "$thaw" "${predict[@]}" --data data --out one.jsonl
check "JSON lines" eval '[ "$(wc -l <one.jsonl)" -eq 152 ] && file_has one.jsonl "\"image\":\"a/1.png\"" "\"true_label\":\"a\"" "\"error\":"'
echo text >data/a/note.txt
run "$thaw" "${predict[@]}" data/a --out folder.csv
check "skipped files are listed" err_has "not images, skipped: 1 file, such as data/a/note.txt"
rm data/a/note.txt
check "a folder" eval 'prints "predictions of 150 images" && file_has folder.csv "data/a/7.png,,"'
check "the values are the same" eval 'diff <(grep "^a/7.png" one.csv | cut -d, -f3-) <(grep "^data/a/7.png" folder.csv | cut -d, -f3-)'
run "$thaw" "${predict[@]}" --json data/a/7.png
check "and those that are printed" eval 'file_has one.jsonl "$(grep -o "\"class\": [0-9]*" out | head -n 1 | tr -d " ")"'
printf 'data/a/2.png\n\ndata/a/1.png\r\n' >list.txt
run "$thaw" "${predict[@]}" --list list.txt --out list.csv
check "a list of files" eval 'exits 0 && [ "$(cut -d, -f1 list.csv | tail -n +2 | xargs)" = "data/a/2.png data/a/1.png" ]'
# rows FILE: predictions of rgb.png and how many there are.
rows() { grep '^[^"]*,a,' "$1" | cut -d, -f3- | sort | uniq -c; }
run "$thaw" pack data shards --shards 2
run mpirun -np 2 "$thaw" "${predict[@]}" --data shards --out shards.csv
check "tar shards" eval '[ "$(rows shards.csv)" = "$(rows one.csv)" ]'

# ---- Interruptions ---------------------------------------------------------------------------------------------------

interrupt() {
	for _ in 1 2 3 4 5; do
		"$thaw" "${predict[@]}" --data data --out "$1" >/dev/null 2>&1 &
		while kill -0 $! 2>/dev/null && [ ! -e "$1.partial.json" ]; do sleep 0.01; done
		kill "$2" $! 2>/dev/null
		wait $! 2>/dev/null
		[ -e "$1.partial.json" ] && return
		rm -f "$1"
	done
}
for signal in -9 -TERM; do
	interrupt late$signal.csv $signal
	check "no file before it is complete ($signal)" eval '[ ! -e late$signal.csv ] && [ -e late$signal.csv.partial ]'
	printf 'rest of a line' >>late$signal.csv.partial
	run mpirun -np 2 "$thaw" "${predict[@]}" --data data --out late$signal.csv
	check "another start goes on ($signal)" eval '[ $code -eq 65 ] && cmp -s one.csv late$signal.csv && [ ! -e late$signal.csv.partial.json ]'
done
interrupt other.csv -9
run "$thaw" "${predict[@]}" --data data --top 3 --out other.csv
check "lines of other flags are not continued" fails_once 78 "other flags: other.csv.partial"

# ---- Refusals --------------------------------------------------------------------------------------------------------

run "$thaw" "${predict[@]}" --data data --out one.csv
check "an old file stays" fails_once 78 "the file exists: one.csv"
run "$thaw" "${predict[@]}" --data data --out one.xls
check "another ending" fails 64 "FILE.csv or FILE.jsonl"
run "$thaw" "${predict[@]}" --data data
check "a dataset without a file" fails 64 "without --out"
run "$thaw" "${predict[@]}" --data data data/a --out two.csv
check "images from two places" fails 64 "several places"
run "$thaw" "${predict[@]}" --out two.csv
check "no images" fails 64 "no images"
run "$thaw" "${predict[@]}"
check "no arguments" fails 64 "no images"
run "$thaw" "${predict[@]}" --data data --heatmap maps --out two.csv
check "heat maps" fails 64 "--heatmap with --out"

finish
