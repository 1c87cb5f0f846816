#!/bin/bash
# Weight files through the commands: damaged values, a missing classifier, prefixes, --weights-key, folders.
# Usage: test_weights.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# An 8 x 8 PNG, gray or red.
gray=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR42mMIwAEYhpYEAHIhPAETojrKAAAAAElFTkSuQmCC
red=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII=
mkdir -p data/{train,test}/{dark,red}
for i in 1 2 3 4 5 6 7 8; do
	base64 -d <<<$gray | tee "data/train/dark/$i.png" >"data/test/dark/$i.png"
	base64 -d <<<$red | tee "data/train/red/$i.png" >"data/test/red/$i.png"
done
train=(--data data --size 8 --unfreeze head --batch 8 --lanes 4 --epochs 1 --scale-min 1)

# A trained network of two classes, and copies of its file with other bytes. The header's length stays the same.
run "$thaw" train --model cifar_resnet8 "${train[@]}" --out run
check "a network to start from" exits 0
whole=run/model.safetensors
{ head -c -4 $whole && printf '\0\0\300\177'; } >nan.safetensors
{ head -c -4 $whole && printf '\0\0\200\377'; } >infinite.safetensors
LC_ALL=C sed 's/"fc\.weight"/"fc_weight"/; s/"fc\.bias"/"fc_bias"/; s/"thaw\.labels"/"some_labels"/' $whole >strange.safetensors

image=data/test/red/1.png
for file in nan infinite; do
	words="has NaN"
	[ $file = infinite ] && words="has infinite values"
	for c in "inspect $file.safetensors" "predict --model $file.safetensors $image" \
		"eval --model $file.safetensors --data data" "export $file.safetensors --onnx out.onnx" \
		"train --model $file.safetensors --out r ${train[*]}" "bench --model $file.safetensors --steps 1 --batch 1" \
		"advise --model $file.safetensors --data data --out a" "compare --data data $file.safetensors"; do
		# shellcheck disable=SC2086 # the words of a command
		run "$thaw" $c
		check "${c%% *} refuses $file weights" fails_once 65 "damaged weights: tensor" "$words"
	done
done
check "refused weights leave nothing behind" test ! -e r -a ! -e out.onnx

run "$thaw" inspect strange.safetensors
check "fc_weight is not a classifier of another name" fails_once 65 "tensor fc_weight is not part of cifar_resnet8"

mkdir hub
cp $whole hub/a.safetensors
echo '{"weight_map": {"conv1.weight": "a.safetensors"}}' >hub/model.safetensors.index.json
run "$thaw" inspect hub
check "an index of files" prints "cifar_resnet8 from hub/model.safetensors.index.json"
run "$thaw" inspect hub --weights-key model_ema
check "a key that a file does not have" fails_once 64 "--weights-key model_ema"
run "$thaw" inspect builtin --weights-key model_ema
check "a key without a file" fails_once 64 "--weights-key is for files"
for c in "predict --model $whole $image" "eval --model $whole --data data" "export $whole --onnx out.onnx" \
	"train --model $whole --out r ${train[*]}" "bench --model $whole --steps 1 --batch 1" \
	"advise --model $whole --data data --out a" "compare --data data $whole"; do
	# shellcheck disable=SC2086
	run "$thaw" $c --weights-key ema
	check "${c%% *} looks for the key" fails_once 64 "--weights-key ema"
done

# The classifier under another name, as long as before.
LC_ALL=C sed 's/"fc\.weight"/"head.9999"/; s/"fc\.bias"/"head.99"/; s/"thaw\.labels"/"some_labels"/' $whole >head.safetensors
run "$thaw" inspect head.safetensors
check "a renamed classifier is said" eval 'prints "no classifier: fc.weight is missing" && out_has "thaw train adds a new one"'
run "$thaw" train --model head.safetensors "${train[@]}" --out retrained
check "training replaces it" eval 'exits 0 && err_has "no classifier: fc.weight is missing" && err_has "a new one is added"'
for c in "predict --model head.safetensors $image" "eval --model head.safetensors --data data" \
	"export head.safetensors --onnx out.onnx"; do
	# shellcheck disable=SC2086
	run "$thaw" $c
	check "${c%% *} needs a classifier" fails_once 65 "cannot classify yet" "head.9999" "thaw train"
done
run "$thaw" predict --model retrained --json $image
check "the trained network predicts" prints red
finish
