#!/bin/bash
# Flags that change the preprocessing, in all commands: the same as a file that says it, and recorded. Usage:
# test_preprocess.sh THAW
# shellcheck disable=SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

little() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }

# picture FILE SEED: a BMP of 44 x 36 pixels, noise in blocks.
picture() {
	local i n=$2
	{
		printf '%b' "BM$(little 4806)$(little 0)$(little 54)$(little 40)$(little 44)$(little 36)\\x01\\x00\\x18\\x00"
		printf '%b' "$(little 0)$(little 4752)$(little 0)$(little 0)$(little 0)$(little 0)"
		for ((i = 0; i < 396; i++)); do
			n=$(((n * 1103515245 + 12345) % 2147483648))
			head -c 12 /dev/zero | tr '\0' "$(printf '\\%03o' $((n >> 16 & 255)))"
		done
	} >"$1"
}
mkdir -p data/train/a data/train/b data/test/a data/test/b
for i in 1 2 3 4; do
	picture data/train/a/$i.bmp $i
	picture data/train/b/$i.bmp $((i + 50))
done
cp data/train/a/1.bmp data/train/a/2.bmp data/test/a
cp data/train/b/1.bmp data/train/b/2.bmp data/test/b

# Weights whose file says nothing about preprocessing, once beside a configuration and once alone.
train=(train --data data --unfreeze all --bn lane --batch 8 --lanes 2 --epochs 2 --lr 0.01)
run "$thaw" "${train[@]}" --model cifar_resnet8 --out first --json
check "train names the family as the source" reports from="the family"
check "the log names it, too" err_has "images (the family): bilinear resize to 32, crop 32, mean 0.4914 0.4822 0.4465"
mkdir said silent
sed 's/thaw\.preprocess/Thaw.preprocess/' first/model.safetensors >said/m.safetensors
cp said/m.safetensors silent
cat >said/config.json <<'END'
{"pretrained_cfg": {"input_size": [3, 32, 32], "mean": [0.3, 0.4, 0.5], "std": [0.2, 0.25, 0.3], "crop_pct": 0.8,
  "interpolation": "lanczos"}}
END
given=(--mean "0.3,0.4,0.5" --std "0.2,0.25,0.3" --crop 0.8 --interpolation lanczos)
text="lanczos resize to 40, crop 32, mean 0.3 0.4 0.5, std 0.2 0.25 0.3"

# The same results. Standard output has the sources, which differ.
result() { sed 's/"preprocess": *{[^}]*}[^}]*}//; s/"model": *"[^"]*"//; s/"notes": *\[[^]]*\]//g' out; }
both() {
	run "$thaw" "$1" --model said/m.safetensors "${@:2}" --json
	check "$1: a file says it" exits 0 "images (config.json): $text"
	result >wanted
	run "$thaw" "$1" --model silent/m.safetensors "${given[@]}" "${@:2}" --json
	check "$1: flags say it" exits 0 "images (crop, interpolation, mean, std: flags; rest: the family): $text"
	check "$1: the same results" eval 'result | cmp -s - wanted'
}
pictures=(data/test/a/1.bmp data/test/a/2.bmp data/test/b/1.bmp)
both predict "${pictures[@]}"
cp wanted predicted
both eval --data data

# Each value matters.
i=0
for other in 0.3,0.4,0.51 0.2,0.25,0.31 0.9 bicubic; do
	changed=("${given[@]}")
	changed[2 * i + 1]=$other
	run "$thaw" predict --model silent/m.safetensors "${changed[@]}" "${pictures[@]}" --json
	check "${changed[2 * i]} changes the result" eval 'exits 0 && ! result | cmp -s - predicted'
	i=$((i + 1))
done
run "$thaw" predict --model silent/m.safetensors --mean 0.5 --std 0.5 --crop squash data/test/a/1.bmp
check "one value for all channels, both sides resized" exits 0 \
	"bilinear resize of both sides to 32, crop 32, mean 0.5 0.5 0.5, std 0.5 0.5 0.5"
run "$thaw" inspect said/m.safetensors --mean 0.5
check "inspect names each source" prints "images (mean: flags; rest: config.json): lanczos resize to 40" \
	"mean 0.5 0.5 0.5, std 0.2 0.25 0.3"
run "$thaw" eval --model said/m.safetensors --mean 0.5 --data data --json
check "a source in JSON" prints '"from": "mean: flags; rest: config.json"' '"mean": "flags"' \
	'"std": "config.json"'

# Training.
run "$thaw" "${train[@]}" --model said/m.safetensors --out run-said
check "a training with a file" exits 0 "images (config.json): $text"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --out run-given
check "a training with flags writes the same network" same_bytes run-given/model.safetensors run-said/model.safetensors
run mpirun -n 2 "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --out run-two
check "a training on two ranks, too" same_bytes run-two/model.safetensors run-said/model.safetensors
check "the run records it" cmp -s run-given/config.json run-said/config.json
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --out run-given
check "the same flags: complete" exits 0 "done"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --mean 0.5 --out run-given
check "another mean is refused" fails 78 "mean [0.3, 0.4, 0.5], not [0.5, 0.5, 0.5]: --out run-given" "use the same --mean or"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --interpolation bicubic --out run-given
check "another interpolation is refused" fails 78 'filter "lanczos", not "bicubic"' "use the same --interpolation or"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --crop 0.5 --out run-given
check "another crop is refused" fails 78 'resize ' "use the same --crop or"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --crop squash --out run-given
check "another way to crop is refused" fails 78 "use the same --crop or"
run "$thaw" "${train[@]}" --model silent/m.safetensors "${given[@]}" --std 0.5 --out run-given
check "another standard deviation is refused" fails 78 "use the same --std or"
run "$thaw" "${train[@]}" --model silent/m.safetensors --out run-given
check "no flags are refused" fails 78 "run-given"
cp -r run-given older && tr -d '\n' <run-given/config.json | sed 's/"checksum"/"unsealed"/; s/ *"preprocess": {[^}]*},//' >older/config.json
run "$thaw" "${train[@]}" --model silent/m.safetensors --out older
check "a run of an earlier version, which recorded nothing" exits 0 "done"

# The run's values, and flags that contradict them.
for from in "" "--from best"; do
	# shellcheck disable=SC2086 # two words
	run "$thaw" predict --model run-given $from data/test/a/1.bmp
	check "predict${from:+ }$from uses the values of the run" exits 0 ": $text"
	check "... and no note" eval '! err_has "change the recorded"'
done
run "$thaw" eval --model run-given --data data --mean 0.3,0.4,0.5
check "the recorded value as a flag" eval 'exits 0 && ! err_has "change the recorded"'
run "$thaw" eval --model run-given --data data --mean 0.5
check "another value is used, and said" exits 0 "mean 0.5 0.5 0.5, std 0.2 0.25 0.3" \
	"flags change the recorded preprocessing, which is $text"

# Exported files have the values.
for form in "--safetensors e.safetensors" "--onnx e.onnx" "--onnx e.onnx --verify data"; do
	# shellcheck disable=SC2086 # several words
	run "$thaw" export silent/m.safetensors "${given[@]}" $form
	check "export $form" exits 0 "mean 0.3 0.4 0.5"
	file=${form#* }
	run "$thaw" inspect "${file%% *}"
	check "... and the file has the values" prints "images (the model's metadata): $text"
done
run "$thaw" predict --model e.safetensors "${pictures[@]}" --json
check "the file alone predicts the same" eval 'exits 0 && result | cmp -s - predicted'
run "$thaw" export silent/m.safetensors --size 24 --onnx e.onnx --verify data
check "export --size" exits 0 "bilinear resize to 24, crop 24"
run "$thaw" predict --model e.onnx data/test/a/1.bmp
check "... and the file has the size" exits 0 "images (the model's metadata): bilinear resize to 24, crop 24"
run "$thaw" predict --model silent/m.safetensors --size 24 data/test/a/1.bmp
check "predict --size" exits 0 "images (size: flags; rest: the family): bilinear resize to 24, crop 24"

# Ranks with another configuration beside the same weights.
run mpirun -n 1 "$thaw" eval --model said/m.safetensors --data data : \
	-n 1 "$thaw" eval --model silent/m.safetensors --data data
check "ranks with other files beside the network" fails_once 78 "preprocessing differs"

# A plan has the flags.
run "$thaw" advise --model silent/m.safetensors --data data "${given[@]}" --out advice
check "advise says where it is from" exits 0 "images (crop, interpolation, mean, std: flags; rest: the family)"
check "the plan has the flags" file_has advice/plan.json '"mean": "0.3,0.4,0.5"' '"std": "0.2,0.25,0.3"' \
	'"crop": "0.8"' '"interpolation": "lanczos"'
run "$thaw" train --plan advice/plan.json --data data --out planned
check "the training of a plan uses them" exits 0 ": $text"
run "$thaw" compare said/m.safetensors silent/m.safetensors --data data --std 0.5
check "compare" exits 0 "network 1: images (std: flags; rest: config.json)" \
	"network 2: images (std: flags; rest: the family)"

# Values that cannot be meant: before anything is loaded.
refused() {
	run "$thaw" predict --model nowhere "${@:2}" picture
	check "refused: ${*:2}" fails 64 "$1"
}
refused "two numbers" --mean 0.5,0.4
refused "more than three" --mean 0.5,0.4,0.3,0.2
refused "not a number" --mean 0.5,,0.3
refused "not a number" --std 0.5,0.4,x
refused "not a finite number" --std nan
refused "not a finite number" --mean inf
refused "below 0" --mean=-0.5
refused "not above 0" --std 0.2,0,0.2
refused "not above 0" --std 1e-60
refused "give --mean 0.485,0.456,0.406, and --std" --mean 123.675,116.28,103.53
refused "give --std 0.229,0.224,0.225, and --mean" --std 58.395,57.12,57.375
refused "too large" --std 300
refused "not a crop" --crop 0
refused "not a crop" --crop half
refused "above 1" --crop 87.5
refused "nearest|bilinear|bicubic|lanczos|box|hamming" --interpolation cubic
run "$thaw" predict --model silent/m.safetensors --crop 1e-6 data/test/a/1.bmp
check "refused: an image that would be too large" fails 64 "more than 16384 pixels"
run "$thaw" inspect --data data --mean 0.5
check "refused: preprocessing of a dataset" fails 64 "--mean"
run "$thaw" inspect first/step-1.safetensors.zst --crop 1
check "refused: preprocessing of a checkpoint" fails 64 "--crop"

finish
