#!/bin/bash
# Several labels per image, grades and numbers through the program: train, eval, predict, export, checkpoints; weights of
# classes and balanced sampling. Usage: test_tasks.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# picture FILE GREY: a BMP of 8 x 8 pixels of one grey, 246 bytes.
picture() {
	{
		printf 'BM\xf6\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x08\0\0\0\x08\0\0\0\x01\0\x18\0\0\0\0\0\xc0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
		head -c 192 /dev/zero | tr '\0' "$(printf '\\%03o' "$2")"
	} >"$1"
}

# Four levels of grey. Labels: dark (levels 0 and 1), extreme (0 and 3). Numbers: 1000 + 50 for each level, so that a
# network whose outputs are not scaled back cannot be right.
echo path,split,label >labels.csv
echo path,split,label >grades.csv
echo path,split,label >numbers.csv
echo path,split,label >classes.csv
tags=('dark;extreme' dark none extreme)
for ((i = 0; i < 64; i++)); do
	level=$((i % 4)) split=train
	[ $((i % 16)) -lt 12 ] || split='test'
	picture $i.bmp $((level * 70 + i / 4))
	echo "$i.bmp,$split,${tags[level]}" >>labels.csv
	echo "$i.bmp,$split,$level" >>grades.csv
	echo "$i.bmp,$split,$((1000 + 50 * level)).5" >>numbers.csv
	[ $level -gt 1 ] && [ $i -ge 8 ] && continue
	echo "$i.bmp,$split,level$((level / 2))" >>classes.csv
done
train=(train --model cifar_resnet8 --size 8 --unfreeze all --bn lane --batch 16 --lanes 2 --epochs 16 --scale-min 1
	--optimizer adamw --lr 0.01 --seed 3 --checkpoint-every 5)
sum() { sha256sum <"$1/model.safetensors"; }

# ---- Labels ----------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data labels.csv --out labels
check "train for several labels" prints 'mAP' 'threshold'
check "... names task, loss and metrics in the log" err_has 'learning: several labels per image, loss cross-entropy' 'test mAP'
run "$thaw" eval --model labels --data labels.csv --json
check "eval of labels" reports task=labels images=16
map=$(member map)
check "... is better than chance" awk -v m="$map" 'BEGIN { exit !(m > 0.9) }'
run "$thaw" predict --model labels 0.bmp 4.bmp
check "predict prints all labels above their thresholds" prints 'dark' 'extreme' '%'
run "$thaw" predict --model labels 0.bmp --json
check "... with them in the JSON" reports task=labels
check "... and the thresholds" out_has '"threshold"'
run "$thaw" eval --model labels --data classes.csv
check "data of another task are refused" fails_once 78 'learned several labels per image' 'one class per image'
run "$thaw" advise --data labels.csv --out advice
check "advise is for one class per image" fails_once 78 'one class per image' 'several labels per image'
run "$thaw" train --model labels --data labels.csv --out more --epochs 1
check "a network for labels is trained further" prints 'mAP'
run "$thaw" "${train[@]}" --data labels.csv --out balanced --sampling balanced
check "balanced sampling of labels is refused" fails_once 78 '--sampling balanced'

# The same bits on two ranks.
run mpirun --oversubscribe -np 2 "$thaw" "${train[@]}" --data labels.csv --out labels2
check "two ranks give the same network for labels" eval 'exits 0 && [ "$(sum labels)" = "$(sum labels2)" ]'
check "... and the same metrics" eval \
	'diff <(grep -o "\"test\":.*" labels/metrics.jsonl) <(grep -o "\"test\":.*" labels2/metrics.jsonl)'

# ---- Grades ----------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data grades.csv --task grade --out grades
check "train for grades" prints 'kappa' 'MAE'
run "$thaw" eval --model grades --data grades.csv --task grade --json
check "eval of grades" reports task=grade images=16
check "... is better than chance" awk -v k="$(member kappa)" 'BEGIN { exit !(k > 0.8) }'
run "$thaw" predict --model grades 0.bmp
check "predict prints the grade" prints 'grade 0'
cp out printed
run "$thaw" export grades --onnx grades.onnx --verify 0.bmp
check "the network is exported" exits 0
run "$thaw" predict --model grades.onnx 0.bmp
check "... and predicts the same" eval 'exits 0 && diff printed out'

# ---- Numbers ---------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data numbers.csv --task value --out numbers
check "train for numbers" prints 'R2' 'RMSE'
run "$thaw" eval --model numbers --data numbers.csv --task value --json
check "eval of numbers" reports task=value images=16
check "... is better than their mean" awk -v r="$(member r2)" 'BEGIN { exit !(r > 0.8) }'
# near FILE NUMBER: what predict printed for the image is within 70 of it.
near() { awk -v want="$2" -v image="$1" '$1 == image { getline; exit !($NF > want - 70 && $NF < want + 70) }' out; }
run "$thaw" predict --model numbers 4.bmp 7.bmp
check "predict prints numbers in their units" eval 'exits 0 && near 4.bmp 1000.5 && near 7.bmp 1150.5'
run "$thaw" export numbers --onnx numbers.onnx --verify 4.bmp
run "$thaw" predict --model numbers.onnx 4.bmp 7.bmp
check "... from an exported network too" eval 'exits 0 && near 4.bmp 1000.5 && near 7.bmp 1150.5'
run "$thaw" predict --model numbers --from last 4.bmp 7.bmp
check "... and from the last step" eval 'exits 0 && near 4.bmp 1000.5 && near 7.bmp 1150.5'
step=$(find numbers -name 'step-*.zst' | sed -E 's/.*step-([0-9]+).*/\1/' | sort -n | tail -n 1)
run "$thaw" predict --model numbers --from "step-$step" 4.bmp 7.bmp
check "... and from a checkpoint" eval 'exits 0 && near 4.bmp 1000.5 && near 7.bmp 1150.5'
check "the best result is named" grep -q '"best_r2"' numbers/result.json

# ---- Imbalance -------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --data classes.csv --out plain
check "balanced accuracy is reported" prints 'balanced accuracy'
for way in '--class-weights balanced' '--class-weights 1,8' '--sampling balanced' '--loss focal:1.5'; do
	out=run${way//[^a-z0-9]/}
	# shellcheck disable=SC2086 # two words
	run "$thaw" "${train[@]}" --data classes.csv --epochs 2 --out "$out" $way
	check "$way trains" exits 0
	check "... to another network" test "$(sum "$out")" != "$(sum runclassweightsbalanced)" -o "$out" = runclassweightsbalanced
done
run "$thaw" "${train[@]}" --data classes.csv --out plain --class-weights balanced
check "a run keeps its class weights" fails_once 78 'class-weights'
run "$thaw" "${train[@]}" --data classes.csv --out plain --loss focal
check "a run keeps its loss" fails_once 78 'loss'

# All of them at once, stopped within an epoch and continued on another number of ranks.
all=("${train[@]}" --data classes.csv --sampling balanced --class-weights balanced --loss focal)
run "$thaw" "${all[@]}" --out whole
check "all of them together" exits 0 'learning: one class per image, loss focal:2, class weights' 'balanced sampling'
cp -r whole stopped && rm stopped/result.json stopped/model.safetensors
find stopped -name 'step-*.zst' | sort -V | tail -n +2 | xargs -r rm
run mpirun --oversubscribe -np 2 "$thaw" "${all[@]}" --out stopped
check "... continue within an epoch to the same bits on two ranks" eval \
	'exits 0 && err_has "resumed at step" && [ "$(sum stopped)" = "$(sum whole)" ]'
finish
