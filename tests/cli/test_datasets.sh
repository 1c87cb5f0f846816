#!/bin/bash
# Datasets as people have them: splits, what is said about them, and evaluations that never count training images.
# Usage: test_datasets.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
images=$(realpath "$(dirname "$0")/../golden/images")
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# pictures FOLDER COUNT...: COUNT images of each class a, b, c.
pictures() {
	local folder=$1 class i
	shift
	for class in a b c; do
		[ $# -gt 0 ] || return 0
		mkdir -p "$folder/$class"
		for i in $(seq "$1"); do cp "$images/rgb.jpg" "$folder/$class/$i.jpg"; done
		shift
	done
}
train=(train --model cifar_resnet8 --size 8 --batch 8 --epochs 2)

# ---- Three splits ------------------------------------------------------------------------------------

pictures three/train 4 4 && pictures three/valid 2 2 && pictures three/Test 1 3
run "$thaw" "${train[@]}" --data three --out three-run --json
check "train says what was found" exits 0 "data: three: 2 classes" "  training   8 images from train/" \
	"  validation 4 images from valid/" "  test       4 images from Test/"
check "epochs are compared on valid/" eval '[ "$(grep -c "epoch ./2: .*, validation accuracy" err)" -eq 2 ]'
check "the last word is on Test/" eval 'err_has "test accuracy" "(Test/)" && [ "$(grep -c "test accuracy" err)" -eq 1 ]'
check "the result names its images" reports images=4 split=test images_from=Test/
check "... and has the validation accuracy" out_has '"validation": {"images": 4'
check "... and what was found" out_has '"found": {"folder": "three"' '"training": {"images": 8'
check "metrics.jsonl has the validation accuracy" eval '[ "$(grep -c "\"validation\": *{" three-run/metrics.jsonl)" -eq 2 ]'
trained=$(member top1)
run "$thaw" "${train[@]}" --data three --out three-run
check "a complete run reports both" prints "4 images (validation): top-1" "4 images (test): top-1"
run "$thaw" eval --model three-run --data three --json
check "eval measures Test/" eval 'reports images=4 split=test && [ "$(member top1)" = "$trained" ] && out_has "\"a\": {\"images\": 1"'
run "$thaw" eval --model three-run --data three --split val
check "eval --split val" prints "4 images (validation)"
run "$thaw" eval --model three-run --data three --split train
check "eval --split train" prints "8 images (training)"
run "$thaw" eval --model three-run --data three --split all
check "eval --split all of a dataset with splits" fails 64 "has splits"
run "$thaw" eval --model three-run --data three/Test --json
check "a folder of test images is measured as a whole" eval 'reports images=4 && ! err_has note:'
run mpirun -np 2 "$thaw" "${train[@]}" --data three --out three-ranks
check "the same with two ranks" eval 'exits 0 && cmp -s three-run/model.safetensors three-ranks/model.safetensors'

# ---- One held-out folder, or none --------------------------------------------------------------------

pictures val/train 4 4 && pictures val/val 2 2
run "$thaw" "${train[@]}" --data val --out val-run --json
check "val/ alone is named" eval 'reports images=4 split=validation && ! err_has "test accuracy"'
pictures flat 10 10 10
run "$thaw" "${train[@]}" --data flat --seed 3 --test-share 0.3 --out flat-run --json
check "a part is held out" reports images=9 split=test training_images=21
trained=$(member loss)
run "$thaw" eval --model flat-run --data flat --json
check "eval takes seed and fraction from the run" eval 'reports images=9 && [ "$(member loss)" = "$trained" ] && ! err_has note:'
run "$thaw" eval --model flat-run/model.safetensors --data flat --json
check "... also of the file in a run" eval 'reports images=9 && ! err_has note:'
run "$thaw" eval --model flat-run --data flat --seed 1
check "another seed would count training images" fails 78 "training images would be counted" "--seed 3"
run "$thaw" eval --model flat-run --data flat --test-share 0.5
check "a larger fraction would count training images" fails 78 "training images would be counted" "--test-share 0.3"
cp flat-run/model.safetensors copy.safetensors
run "$thaw" eval --model copy.safetensors --data flat
check "a file without a run: it is said that nothing is known" exits 0 "not of a run" "is not known"
pictures other 4 4 4
run "$thaw" eval --model flat-run --data other
check "other images: it is said that nothing is known" exits 0 "other images" "is not known" "--split all"
run "$thaw" eval --model flat-run --data other --split all --json
check "... all of them can be counted" reports images=12

# ---- Classes -----------------------------------------------------------------------------------------

mkdir subset && cp -r flat/c subset/ && cp -r flat/b subset/
run "$thaw" eval --model flat-run --data subset --split all --json
check "some of the classes are matched by name" eval 'reports images=20 && err_has "2 of the network" && out_has "\"a\": {\"images\": 0" "\"c\": {\"images\": 10"'
cp -r subset mixed && mv mixed/b mixed/dog
run "$thaw" eval --model flat-run --data mixed
check "a class that the network does not have" fails 78 '"dog" is not a class of the network'
pictures names 4 4 4 && mv names/a names/x && mv names/b names/y && mv names/c names/z
run "$thaw" eval --model flat-run --data names
check "other names for all classes: matched by number, and said" exits 0 "matched by number"
mkdir one && cp -r flat/a one/
run "$thaw" train --model builtin --data one --out r
check "train on one class" fails_once 78 "only one class" '"a" with 10 images'
run "$thaw" advise --model builtin --data one
check "advise on one class" fails 78 "only one class" '"a" with 10 images'
run "$thaw" eval --model flat-run --data one --split all --json
check "eval of one class" reports images=10

# ---- A run inside the data, what is skipped ----------------------------------------------------------

cp -r flat inside
echo notes >inside/a/notes.txt
run "$thaw" "${train[@]}" --data inside --out inside/runs/one --json
check "a run inside the data" reports training_images=24
run "$thaw" "${train[@]}" --data inside --out inside/runs/two --json
check "... the next one skips it" eval 'reports training_images=24 && err_has "folders that thaw wrote: 1 (first: runs/one)" "other files: 1 (first: a/notes.txt)"'
run "$thaw" "${train[@]}" --data inside --out inside/runs/one
check "... and a complete one is found complete" exits 0 "already done"

run "$thaw" advise --model builtin --data flat --size 16 --out flat/advice
run "$thaw" advise --model builtin --data flat --size 16 --out flat/advice
check "advice inside the data" exits 0 "folders that thaw wrote: 1 (first: advice)"
touch pictures.zip
run "$thaw" "${train[@]}" --data pictures.zip --out r
check "an archive" fails_once 74 "a file, not a folder: pictures.zip"

# ---- inspect -----------------------------------------------------------------------------------------

run "$thaw" inspect --data three
check "inspect --data" prints "data: three: 2 classes" "  validation 4 images from valid/" "class    training  validation        test"
run "$thaw" inspect --data three --json
check "inspect --data --json" eval 'reports kind=dataset && out_has "{\"name\": \"b\", \"training\": 4, \"validation\": 2, \"test\": 3}"'
run "$thaw" inspect --data one
check "inspect --data of one class" fails 78 "only one class"
mkdir -p none/val/a none/val/b && cp -r three/train none/
run "$thaw" inspect --data none/
check "inspect --data with an empty folder of validation images" fails 65 "no images in val/: none"
run "$thaw" "${train[@]}" --data none --out r
check "train with an empty folder of validation images" fails_once 65 "no images in val/: none" "remove the folder"
run "$thaw" inspect
check "inspect of nothing" fails 64 "--data D"
run "$thaw" inspect builtin --data three
check "inspect of two things" fails 64 "one by one"
run "$thaw" compare --data three builtin --size 32
check "compare says what was found" exits 0 "data: three: 2 classes"

finish
