#!/bin/bash
# --precision bf16: the same bits on any number of ranks, recorded, never mixed with fp32. Usage: test_precision.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

# Three classes of digits' strokes: 28 x 28 images in IDX files, made here.
big() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }
# idx NAME COUNT: images of noise on a brightness that depends on the class.
idx() {
	local i n=$2
	{
		printf '%b' "$(big 2051)$(big "$n")$(big 28)$(big 28)"
		for ((i = 0; i < n; i++)); do
			head -c 784 /dev/zero | tr '\0' "$(printf '\\%03o' $((40 + i % 3 * 80 + i % 7 * 5)))"
		done
	} >"data/$1-images-idx3-ubyte"
	{
		printf '%b' "$(big 2049)$(big "$n")"
		for ((i = 0; i < n; i++)); do printf '%b' "\\x0$((i % 3))"; done
	} >"data/$1-labels-idx1-ubyte"
}
mkdir data
idx train 60
idx t10k 12

train=(train --data data --model cifar_resnet8 --unfreeze last:2 --bn lane --size 16 --lanes 4 --batch 12 --epochs 2 --lr
	0.05 --cache-dir cache)
run "$thaw" "${train[@]}" --out full
check "fp32 trains" exits 0
check "the log does not mention fp32" eval '! err_has "precision:"'
run "$thaw" "${train[@]}" --precision bf16 --out one
check "bf16 trains" eval 'exits 0 && err_has "bf16"'
check "features cached in fp32 are not used" err_has "made with other settings"
check "the weights differ from those of fp32" eval '! cmp -s full/model.safetensors one/model.safetensors'
run mpirun --oversubscribe -np 3 "$thaw" "${train[@]}" --precision bf16 --out three
check "three ranks give the same bits" eval 'exits 0 && cmp one/model.safetensors three/model.safetensors'
whole=(train --data data --model cifar_resnet8 --unfreeze all --size 16 --lanes 4 --batch 12 --epochs 1 --lr 0.05
	--precision bf16)
run "$thaw" "${whole[@]}" --out whole1
check "everything trains in bf16" exits 0
for ranks in 2 4; do
	run mpirun --oversubscribe -np "$ranks" "$thaw" "${whole[@]}" --out "whole$ranks"
	check "$ranks ranks give the same bits" eval "exits 0 && cmp whole1/model.safetensors whole$ranks/model.safetensors"
done
run "$thaw" "${train[@]}" --cache-dir other --precision bf16 --epochs 2 --out none --cache off
check "so does a run without cached features" eval 'exits 0 && cmp one/model.safetensors none/model.safetensors'

run "$thaw" "${train[@]}" --out one
check "another start must have the same precision" exits 78 'precision "bf16", not "fp32"'
sed -i '/"precision"/d; /"checksum"/d' full/config.json
sed -i -z 's/,\n}/\n}/' full/config.json # no comma after the last member
run "$thaw" "${train[@]}" --out full
check "a run of an earlier version is one in fp32" exits 0

run "$thaw" eval --model one --data data --json
check "eval uses the precision of the run" eval 'exits 0 && err_has "bf16"'
cp out bf16.json
run "$thaw" eval --model one --data data --precision fp32 --json
check "eval can use another" eval 'exits 0 && ! err_has "bf16" && ! cmp -s out bf16.json'
run "$thaw" train --data data --precision fp16 --out bad
check "an unknown precision is refused" exits 64 "fp32|bf16"
run "$thaw" bench --model cifar_resnet8 --batch 2 --steps 1 --precision bf16 --json
check "bench reports it" eval 'exits 0 && grep -q "\"precision\": *\"bf16\"" out'
run "$thaw" doctor
check "doctor says what bfloat16 brings" eval 'exits 0 && grep -q "bfloat16" out'

# The whole network: 2, 3 and 4 ranks, and a run that is killed, goes on with other ranks and stops after single steps.
train=("${train[@]}" --unfreeze all --epochs 8 --checkpoint-every 1)
metrics() { sed 's/"seconds": *[0-9.e+-]*//' "$1/metrics.jsonl"; }
same_as_whole() { cmp whole/model.safetensors "$1/model.safetensors" && [ "$(metrics whole)" = "$(metrics "$1")" ]; }
run "$thaw" "${train[@]}" --precision bf16 --out whole
check "the whole network trains" exits 0
for ranks in 2 3 4; do
	run mpirun --oversubscribe -np $ranks "$thaw" "${train[@]}" --precision bf16 --out ranks$ranks
	check "$ranks ranks: the same weights and metrics" eval 'exits 0 && same_as_whole ranks$ranks'
done
"$thaw" "${train[@]}" --precision bf16 --out killed >out 2>err &
program=$! command="train, KILL"
for ((i = 0; i < 30000; i++)); do
	compgen -G 'killed/step-*.zst' >/dev/null && break
	sleep 0.01
done
kill -KILL $program
wait $program 2>/dev/null
code=$?
check "a run is killed" exits 137
for ranks in 4 2; do
	run mpirun --oversubscribe -np $ranks "$thaw" "${train[@]}" --precision bf16 --out killed --time-limit 0:05
	check "$ranks ranks go on for one step" exits 75 "resumed at step" "(--time-limit)"
done
run mpirun --oversubscribe -np 3 "$thaw" "${train[@]}" --precision bf16 --out killed
check "killed, stopped and resumed: the same weights and metrics" eval 'exits 0 && same_as_whole killed'

finish
