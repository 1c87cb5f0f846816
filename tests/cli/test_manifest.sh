#!/bin/bash
# Manifests and folds in the commands: what is said, what a run records, and evaluations of the same images.
# Usage: test_manifest.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
images=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# Two classes of ten images each, in one folder, of five patients; the same in folders of classes.
mkdir -p all/pictures by/cat by/dog
echo 'file,label,patient' >all/m.csv
for i in 0 1 2 3 4 5 6 7 8 9; do
	for class in cat dog; do
		cp "$images/rgb.jpg" "all/pictures/p$((i % 5))_$class$i.jpg"
		cp "$images/rgb.jpg" "by/$class/$i.jpg"
	done
done
for class in cat dog; do
	for i in 0 1 2 3 4 5 6 7 8 9; do echo "pictures/p$((i % 5))_$class$i,$class,$((i % 5))"; done
done >>all/m.csv
cut -d, -f1,2 all/m.csv >all/plain.csv
{
	echo path,label
	for class in cat dog; do for i in 0 1 2 3 4 5 6 7 8 9; do echo "$class/$i.jpg,$class"; done; done
} >by.csv
train=(train --model cifar_resnet8 --size 8 --batch 8 --epochs 1 --lanes 2)

# ---- What is found -----------------------------------------------------------------------------------

run "$thaw" inspect --data all/m.csv
check "inspect a manifest" prints "data: all/m.csv: 2 classes" 'path "file", label "label", group "patient"' \
	'in 4 groups' 'in 1 group' 'task "class"' "20 paths of the manifest lack the extension"
run "$thaw" inspect --manifest all/m.csv --json
check "... in JSON" eval 'reports task=class && out_has "\"groups\": 4" "\"kind\": \"dataset\""'
run "$thaw" inspect --data all/pictures --manifest all/m.csv
check "paths that begin elsewhere" fails 74 "20 of 20 images are missing: all/m.csv: line 2: pictures/p0_cat0" \
	"give --data the folder"
run "$thaw" inspect --manifest all/m.csv --label-column kind
check "a column that is not there" fails 78 'no column "kind": all/m.csv: give --label-column one of "file", "label", "patient"'
printf 'path,x,y,age\npictures/p0_cat0,1,0,3\npictures/p1_cat1,1,1,4.5\npictures/p2_cat2,0,1,\n' >all/labels.csv
run "$thaw" inspect --manifest all/labels.csv --label-column x,y
check "several labels" prints "2 labels, several per image" 'task "labels"' "label  "
run "$thaw" inspect --manifest all/labels.csv --label-column age --task value --test-share 0
check "numbers" prints "1 quantity" "3        3.75         4.5"
run "$thaw" inspect --manifest all/labels.csv --label-column age --task number
check "an unknown task" fails 64 "--task number"
printf 'path,label\npictures/p0_cat0,cat\npictures/p1_cat1\n' >all/short.csv
run "$thaw" inspect --data all/short.csv
check "an incomplete line" fails 65 "1 fields, the first line has 2: all/short.csv: line 3"
run "$thaw" inspect --data all/m.csv --manifest all/plain.csv
check "two manifests" fails 64 "two manifests"
run "$thaw" train --out r
check "neither data nor manifest" fails 64 "a flag is missing: --data"

# ---- Training ----------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data by --out folder-run --json
check "a folder" reports training_images=16
run "$thaw" "${train[@]}" --data by --manifest by.csv --out manifest-run --json
check "its manifest gives the same bits" eval 'reports training_images=16 &&
	cmp -s folder-run/model.safetensors manifest-run/model.safetensors'
run mpirun -np 2 "$thaw" "${train[@]}" --manifest by.csv --data by --out two-ranks
check "... on two ranks too" same_bytes manifest-run/model.safetensors two-ranks/model.safetensors
run "$thaw" "${train[@]}" --manifest all/m.csv --out run --json
check "train on a manifest" eval 'reports images=4 training_images=16 && err_has "in 1 group"'
check "the run records it" eval 'jq -e ".manifest != \"\" and .task == \"class\" and .folds == 0" run/config.json >/dev/null'
trained=$(member loss)
run "$thaw" eval --model run --manifest all/m.csv --json
check "eval measures the images that were held out" eval '[ "$(member loss)" = "$trained" ] && ! err_has note:\ the'
run "$thaw" eval --model run --data all/m.csv --seed 9
check "another seed would count training images" fails_once 78 "training images would be counted"
run "$thaw" eval --model run --data all/m.csv --folds 5 --fold 1
check "... and folds too" fails_once 78 "training images would be counted: --folds 5 --fold 1"
run "$thaw" "${train[@]}" --manifest all/m.csv --out run
check "the run is done" exits 0 "already done"
sed 's/,3$/,30/' all/m.csv >all/other.csv
run "$thaw" "${train[@]}" --manifest all/other.csv --out run
check "another manifest is refused" fails_once 78 "started with another manifest, or it has changed since: all/other.csv"
run "$thaw" "${train[@]}" --data by --out manifest-run
check "the folder in place of its manifest too" fails_once 78 "started with another manifest"
printf 'file,label,patient\npictures/none,cat,7\n' >>all/other.csv
tail -n +2 all/m.csv >>all/other.csv

# A few files are missing: they are skipped and counted.
{ cat by.csv; echo cat/none.jpg,cat; } >missing.csv
run "$thaw" "${train[@]}" --manifest missing.csv --data by --test-share 0.1 --out missing-run --json
check "a missing image is skipped" eval 'exits 0 && err_has "1 of the training images are missing" "first: line 22: cat/none.jpg"'

# ---- Folds -------------------------------------------------------------------------------------------

for fold in 1 2; do
	run "$thaw" "${train[@]}" --data all/m.csv --folds 5 --fold $fold --out "fold$fold" --json
	check "fold $fold of 5" eval 'reports images=4 training_images=16 split=validation &&
		err_has "from fold '$fold' of 5 (seed 1), in 1 group"'
done
trained=$(member loss)
run "$thaw" eval --model fold2 --data all/m.csv --json
check "eval takes the fold from the run" eval 'reports images=4 && [ "$(member loss)" = "$trained" ]'
run "$thaw" eval --model fold2 --data all/m.csv --fold 1 --folds 5
check "the images of another fold were trained on" fails_once 78 "training images would be counted: --folds 5 --fold 1"
run "$thaw" "${train[@]}" --data all/m.csv --folds 5 --fold 1 --out fold2
check "a run keeps its fold" fails_once 78 "fold 2, not 1"
run "$thaw" "${train[@]}" --data by --folds 3 --fold 3 --out folder-fold --json
check "a fold of a folder" reports images=6 training_images=14
run "$thaw" "${train[@]}" --data by --folds 3 --out x
check "folds without a fold" fails_once 64 "no such fold: --fold 0: folds are numbered from 1 to 3"
run "$thaw" inspect --data all/pictures/.. --manifest all/plain.csv --group-by '(p[0-9])_'
check "groups by name" prints "in 4 groups" "in 1 group"
run "$thaw" inspect --data by --group-by '('
check "a wrong expression" fails 64 "not an extended regular expression"
run "$thaw" "${train[@]}" --manifest all/plain.csv --group-by '(p[0-9])_' --out groups-run --json
check "train by groups" eval 'reports images=4 && err_has "in whole groups"'
run "$thaw" eval --model groups-run --manifest all/plain.csv --json
check "eval keeps the groups" eval 'reports images=4 && ! err_has "note: the run"'

# ---- Advice ------------------------------------------------------------------------------------------

run "$thaw" compare --manifest all/m.csv --folds 5 --fold 1 --size 8 cifar_resnet8 --json
check "compare" reports images=16 classes=2
run "$thaw" compare --manifest all/labels.csv --label-column x,y cifar_resnet8
check "compare needs classes" fails_once 78 "probes need one class per image, the data have several labels per image"

finish
