#!/bin/bash
# What trains within the unfrozen part: norms, biases, and low-rank adapters, whose values are in checkpoints and PEFT's
# files, and merged in the trained network. Usage: test_tune.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

mkdir data
idx data/train 48
idx data/t10k 24
train=(train --model vit_tiny_patch16_224 --data data --size 16 --unfreeze last:2 --epochs 3 --head-epochs 1 --batch 16
	--lanes 4 --lr 0.02 --seed 3)
size_of() { stat -c %s "$1"; }

# ---- Adapters --------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --out one --tune lora:4
check "train adapters" prints "done"
run mpirun -n 2 "$thaw" "${train[@]}" --tune=lora:4:8 --out two
check "mpirun does not read the flag as its own" eval '! err_has "Unable to locate"'
check "two ranks: the same network" same_bytes one/model.safetensors two/model.safetensors
check "... and the same adapters" cmp one/adapter_model.safetensors two/adapter_model.safetensors
step=$(find one -name 'step-*.zst' | sort -V | tail -n 1)
check "a checkpoint has what trains only" [ "$(size_of "$step")" -lt $(($(size_of one/model.safetensors) / 20)) ]
rm two/result.json two/model.safetensors two/adapter_*
run mpirun -n 3 "$thaw" "${train[@]}" --out two --tune=lora:4
check "three ranks continue from a checkpoint: the same network" same_bytes one/model.safetensors two/model.safetensors
check "... and the same adapters" cmp one/adapter_model.safetensors two/adapter_model.safetensors
run "$thaw" "${train[@]}" --out two --tune lora:8
check "another rank is another run" fails_once 78 tune lora:4:8 lora:8:8
run "$thaw" "${train[@]}" --out two
check "... and so is a run without adapters" fails_once 78 tune lora:4:8

run "$thaw" eval --model one --data data --json
check "eval of the merged network" reports images=24
accuracy=$(member top1)
check "... gives the accuracy of the run" grep -q "\"top1\": $accuracy" one/result.json
run "$thaw" export one --peft peft
check "export of a run's adapters" same_bytes one/adapter_model.safetensors peft/adapter_model.safetensors
check "... with PEFT's configuration" file_has peft/adapter_config.json '"LORA"' '"r": 4' '"lora_alpha": 8,' \
	'"blocks.10.attn.qkv"' '"blocks.11.mlp.fc2"' '"head"'
check "... under PEFT's names" file_has peft/adapter_model.safetensors base_model.model.blocks.10.attn.proj.lora_A.weight \
	base_model.model.blocks.11.mlp.fc1.lora_B.weight base_model.model.head.weight
check "... and nothing else" eval '! grep -qE "blocks\.9\.|norm" peft/adapter_model.safetensors'
name=$(basename "$step" .safetensors.zst)
run "$thaw" export one --peft early --from "$name"
check "export of a checkpoint's adapters" prints early
check "... which are others" eval '! cmp -s early/adapter_model.safetensors peft/adapter_model.safetensors'
check "... with the same configuration" cmp early/adapter_config.json peft/adapter_config.json
run "$thaw" eval --model one --from "$name" --data data
check "eval of a checkpoint merges its adapters" prints top-1
run "$thaw" export one --safetensors merged.safetensors
check "other exports have merged weights" eval '! grep -q lora merged.safetensors'
run "$thaw" verify one --retrain 1
check "verify repeats the training of adapters" exits 0

run "$thaw" "${train[@]}" --out bf16 --tune lora:2:16 --precision bf16
check "train adapters in bfloat16" prints "done"
check "... with their scale" file_has bf16/adapter_config.json '"lora_alpha": 16,' '"r": 2'
run "$thaw" "${train[@]}" --out fixres --tune lora:2 --fixres 1
check "train with --fixres" prints "done"
check "... trains nothing that PEFT's files have not" eval '! grep -q norm fixres/adapter_model.safetensors'

# ---- Norms and biases ------------------------------------------------------------------------------

for how in norm bias; do
	run "$thaw" "${train[@]}" --out $how --tune $how
	check "train $how" prints "done"
	step=$(find $how -name 'step-*.zst' | sort -V | tail -n 1)
	check "... with checkpoints of some kilobytes" [ "$(size_of "$step")" -lt 100000 ]
	run mpirun -n 2 "$thaw" "${train[@]}" --out $how-two --tune=$how
	check "... and the same network on two ranks" same_bytes $how/model.safetensors $how-two/model.safetensors
done
run "$thaw" export norm --peft none
check "a run without adapters has none to export" eval "fails_once 78 'no adapters' norm && [ ! -e none ]"

# ---- Recomputation ---------------------------------------------------------------------------------

many=("${train[@]}" --unfreeze last:6 --size 32 --dropout 0.2)
run "$thaw" "${many[@]}" --out kept
check "train with all values kept" prints "done"
run mpirun -n 2 "$thaw" "${many[@]}" --out again --recompute 700K
check "recomputation on two ranks: the same network" same_bytes kept/model.safetensors again/model.safetensors
check "... says how many blocks" grep -q 'computed again in each backward pass: [1-6];' err
run "$thaw" "${many[@]}" --out again --recompute off
check "... and is no setting of the run" exits 0
run "$thaw" "${many[@]}" --out auto --recompute auto --tune lora:2
check "recomputation as memory allows" prints "done"
run "$thaw" "${many[@]}" --out x --recompute 10K
check "too little memory" fails_once 78 '--recompute 10K' 'MiB even if all blocks'
run "$thaw" "${many[@]}" --out x --recompute much
check "not a size" fails_once 64 '--recompute much' 'off, auto'

# ---- Refused ---------------------------------------------------------------------------------------

run "$thaw" "${train[@]}" --out x --tune lora:0
check "a rank of 0" fails_once 64 '--tune lora:0' 'from 1 to 1024'
run "$thaw" "${train[@]}" --out x --tune layernorm
check "another word" fails_once 64 '--tune layernorm' 'all, norm, bias'
run "$thaw" "${train[@]}" --out x --unfreeze head --tune norm
check "norms of the classifier" fails_once 64 'nothing but the classifier' '--unfreeze head'
run "$thaw" "${train[@]}" --out x --model cifar_resnet8 --unfreeze all --tune lora:4
check "adapters of convolutions" fails_once 64 'no linear layer' 'lora:4'
run "$thaw" export one --peft x --half
check "adapters in 16 bits" fails_once 64 --half --safetensors
run "$thaw" export one --peft x --onnx y.onnx
check "two outputs" fails_once 64 'several outputs'
run "$thaw" export one --peft x --size 32
check "adapters for another size" fails_once 64 '--peft x'
run "$thaw" bench --model vit_tiny_patch16_224 --size 16 --batch 2 --steps 1 --unfreeze last:1 --tune lora:2 --json
check "bench counts what trains" reports tune=lora:2 values=$((2 * (3 * 192 + 768 + 576 + 2 * 192 + 768) + 192 * 1000 + 1008))

finish
