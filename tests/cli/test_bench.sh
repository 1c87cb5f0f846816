#!/bin/bash
# thaw bench: plausible results, and rejected arguments. Usage: test_bench.sh THAW
# shellcheck disable=SC2016,SC2034,SC2154 # conditions are evaluated by check; lib.bash assigns
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

small=(bench --model cifar_resnet8 --size 16 --batch 3 --steps 2)

is_json() { [ "$(wc -l <out)" -eq 1 ] && grep -qE '^\{.*"layers": \[(\{[^{}]*\}(, )?)+\]\}$' out && ! grep -qiE 'nan|inf[^e]' out; }
# One line per layer: operator, forward_ms, backward_ms, gflops.
layers() {
	local number='(-?[0-9.]+(e[-+]?[0-9]+)?)'
	grep -oE '\{"name": "[^"]+", "op"[^}]*\}' out |
		sed -E "s/.*\"op\": \"([a-z_]+)\", \"forward_ms\": $number, \"backward_ms\": $number, \"gflops\": $number, \"peak_share\": $number\}/\1 \2 \4 \6/"
}
# every_layer CONDITION: the awk condition holds for each line of layers, and there are at least 8 layers.
every_layer() { layers | awk "!($1) { bad = 1 } END { exit bad || NR < 8 }"; }
positive() { # NAME...: these members are positive numbers
	local name
	for name; do
		member "$name" | grep -qE '^[0-9.e+-]+$' || return 1
		awk -v x="$(member "$name")" 'BEGIN { exit !(x > 0) }' || return 1
	done
}

run "$thaw" "${small[@]}" --json
check "one line of JSON" eval 'exits 0 && is_json'
check "the result describes the configuration" eval '[ "$(member network)" = cifar_resnet8 ] && [ "$(member size)" -eq 16 ] &&
	[ "$(member batch)" -eq 3 ] && [ "$(member ranks)" -eq 1 ] && [ "$(member unfreeze)" = all ] &&
	[ "$(member bn)" = frozen ] && [ -n "$(member blas_kernel)" ]'
check "the measured values are positive" positive images_per_second peak_rss_bytes tail_bytes gemm_peak_gflops \
	gemm_peak_share
check "fp32 has no peak of bfloat16" eval '! out_has bf16_peak'
check "memory is in bytes" test "$(member peak_rss_bytes)" -gt 4000000
check "layers have times" every_layer 'NF == 4 && $2 >= 0 && $3 >= 0 && $4 >= 0'
check "convolutions and norms are joined" out_has conv_norm
check "all layers run the backward pass" every_layer '($1 != "conv_norm" && $1 != "linear") || ($2 > 0 && $3 > 0)'

run "$thaw" "${small[@]}" --json --precision bf16
check "bf16 has its own peak" eval 'exits 0 && is_json && positive bf16_peak_gflops bf16_peak_share'

run "$thaw" "${small[@]}" --json --unfreeze none
check "inference runs no backward pass" eval 'exits 0 && [ "$(member unfreeze)" = none ] &&
	every_layer "\$3 == 0"'
run "$thaw" "${small[@]}" --json --bn lane
check "norms with batch statistics are not joined" prints batch_norm '"bn": "lane"'
run "$thaw" "${small[@]}" --json --unfreeze head
check "the head alone" eval 'exits 0 && every_layer "(\$1 == \"linear\") == (\$3 > 0)"'
run "$thaw" bench --steps 1 --batch 1
check "the built-in network, as text" prints images/s GFLOP/s layer1.0

run mpirun -n 2 "$thaw" "${small[@]}" --json
check "two ranks, one report" eval 'exits 0 && [ "$(member ranks)" -eq 2 ] && is_json &&
	positive images_per_second sum_wait_seconds gemm_peak_share'
run mpirun -n 2 "$thaw" "${small[@]}" --json --unfreeze none
check "two ranks, inference" eval 'exits 0 && positive images_per_second'
run mpirun -n 2 "$thaw" "${small[@]}" --batch 0
check "two ranks report an error once" fails_once 64

# Ranks of one node; tests/cluster/hosts.sh has several.
run mpirun -n 2 "$thaw" "${small[@]}" --reduce --json
check "reduction: latency, bandwidth and a table" eval 'exits 0 && [ "$(member ranks)" -eq 2 ] && positive latency_us \
	gbit_per_second step_seconds && [ "$(grep -o "\"efficiency\"" out | wc -l)" -eq 11 ]'
check "reduction: one node is mentioned" prints "all ranks are on one node"
check "reduction: bytes of the gradients" test "$(member gradient_bytes)" -gt 300000
run mpirun -n 2 "$thaw" "${small[@]}" --reduce --step-time 2
check "reduction: a given step time, as text" eval 'exits 0 && prints "2.000 s per step on one rank" &&
	grep -qE "^ +1 +1 +2.000 +1.50 +100 %" out && grep -qE "^ +1024 +1024 " out'
run "$thaw" "${small[@]}" --reduce
check "reduction: one rank is refused" fails 78 "one rank: start at least two"
run mpirun -n 2 "$thaw" "${small[@]}" --reduce --unfreeze none
check "reduction: nothing trained is refused" fails_once 78 "unfreeze a part"
run "$thaw" "${small[@]}" --step-time 2
check "reduction: --step-time alone is refused" fails 64 "add --reduce"

for bad in "batch 0" "batch x" "batch 65537" "steps 0" "steps 1.5" "size -1" "size 20000" "bn batch" "unfreeze some" \
	"unfreeze last:99" "unfreeze from:nowhere" "threads 0"; do
	# shellcheck disable=SC2086 # two words
	run "$thaw" "${small[@]}" --$bad
	check "refused: --$bad" fails 64 "$bad"
done
run "$thaw" bench --epochs 3
check "a flag of another command" fails 64 "unknown flag: --epochs"
run "$thaw" bench more
check "one argument too many" fails 64 "more"
run "$thaw" bench --model nothing.pth
check "a missing model" fails 74 "nothing.pth"
run "$thaw" bench --model alexnet --size 16 --batch 1
check "images too small for the network" fails 78 "use larger images"
run bash -c '"$0" bench --model cifar_resnet8 --size 16 --batch 1 --steps 1 >/dev/full' "$thaw"
check "a result that cannot be written" exits 74 "stdout"

finish
