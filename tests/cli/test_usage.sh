#!/bin/bash
# Command lines: help, error messages, and the precedence of values. Usage: test_usage.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

run "$thaw" --version
check "version and build" eval 'exits 0 && grep -qE "^thaw [0-9.]+ \(build [0-9a-f]{16}\)$" out'
run "$thaw" --help
check "help lists the commands" prints doctor train

declare -A flags=(
	[advise]="--model --data --size --per-class --ranks --budget --history --out --test-share --lanes --seed --decode-threads
		--threads"
	[train]="--model --data --out --plan --unfreeze --epochs --head-epochs --lanes --batch --size --lr --head-lr --optimizer
		--momentum --weight-decay --layer-decay --warmup --label-smoothing --scale-min --flip --jitter
		--pad-crop --test-share --per-class --seed --eval-every --checkpoint-every --keep --decode-threads
		--views --cache --cache-dir --cache-dtype
		--mixed-machines --bn --resume --config --threads"
	[eval]="--model --data --split --from --lanes --size"
	[compare]="--data --test-share --per-class --size --lanes --seed --decode-threads --threads"
	[predict]="--model --from --top"
	[inspect]="--layers --size"
	[export]="--from --safetensors --half --onnx --fold-bn --verify"
	[bench]="--model --unfreeze --bn --batch --size --steps --threads"
	[check]="--out --scores --fail-on --exclude --model --decode-threads"
	[doctor]="--out --threads"
)
names_flags() {
	local flag
	for flag in $1 --json --help; do
		out_has "  $flag" || return 1
	done
}
for c in advise train eval compare predict inspect export bench check doctor; do
	run "$thaw" $c --help
	check "$c --help names its flags" eval 'exits 0 && names_flags "${flags[$c]}"'
	cp out help.txt
	run "$thaw" help $c
	check "help $c is the same" same_bytes out help.txt
done
run "$thaw" train --lrr 1 --help
check "--help works in spite of wrong flags" exits 0

run "$thaw"
check "no command" fails 64 "no command"
run "$thaw" trian
check "an unknown command with a suggestion" fails 64 "unknown command: trian: did you mean train?"
run "$thaw" xyzzyxyzzy
check "an unknown command without one" fails 64 "thaw --help"
run "$thaw" train --lrr 0.1
check "an unknown flag with a suggestion" fails 64 "unknown flag: --lrr: did you mean --lr?"
run "$thaw" train --label 0.1
check "a prefix of a flag is not accepted" fails 64 "unknown flag: --label"
run "$thaw" train -x
check "a flag with one dash" fails 64 "unknown flag: -x"
run "$thaw" train --data
check "a flag without its value" fails 64 "--data"
run "$thaw" train --data --out r
check "a flag followed by another flag instead of its value" fails 64 "--data"
run "$thaw" train --data d
check "a required flag is missing" fails 64 "a flag is missing: --out"
run "$thaw" train --data d --out r more
check "one argument too many" fails 64 "more"
run "$thaw" predict --model m
check "an argument is missing" fails 64 "IMAGE"
run "$thaw" eval --model m --data d --split some
check "a value that is not one of the choices" fails 64 "train|val|test|all"
run "$thaw" train --data d --out r --json=perhaps
check "a value that is not a boolean" fails 64 "--json perhaps"

for bad in "lr abc" "lr nan" "lr inf" "lr 1x" "lr -1" "epochs x" "epochs 1.5" "lanes 1.5" "lanes 99999999999999999999" "batch -1" \
	"flip 1.1" "keep 1" "seed -1" "size 4294967296" "checkpoint-every 5m" "checkpoint-every -1" \
	"checkpoint-every 1.5" "threads 0" "views -1" "views x" \
	"cache lots" "cache 4GB" "cache -1" "cache nan" "cache-dtype f64"; do
	# shellcheck disable=SC2086 # two words
	run "$thaw" train --data d --out r --$bad
	check "refused: --$bad" exits 64 "$bad"
done

run mpirun -n 3 "$thaw" train --lrr 0.1
check "three ranks report an error once" fails_once 64

# Precedence of values.
setting() { grep -qE -e "^  $1 +$2\$" err; }
# The settings are printed when the training starts.
mkdir shown && idx shown/train 16 && idx shown/t10k 4
# The settings with their default values; lines are wrapped.
shows_default() { exits 0 && tr -s ' \n' ' ' <err | grep -qF ", $1, "; }
show() { rm -rf shown-run && run "$thaw" train --data shown --out=shown-run "$@"; }
run "$thaw" train --data nowhere --out r
check "a missing data folder" fails 74 "nowhere"
printf 'lr: 0.3\nbatch: 64\nunfreeze: "last:2"   # quoted\n' >c.yaml
THAW_BATCH=128 THAW_LR=0.2 show --config c.yaml --lr 0.1
check "flags override the environment" setting lr 0.1
check "the environment overrides the file" setting batch "128 +\(THAW_BATCH\)"
check "the file overrides the defaults" setting unfreeze "last:2 +\(c.yaml:3\)"
check "defaults are logged" err_has "epochs 10"
show
check "the log has the default learning rate of sgd" shows_default "lr 0.01"
show --optimizer adamw
check "the log has the default learning rate of adamw" shows_default "lr 0.0003"
THAW_CONFIG=c.yaml show
check "THAW_CONFIG names the file" setting lr "0.3 +\(c.yaml:1\)"
THAW_LR='' run "$thaw" train --data nowhere --out r
check "an empty variable counts as unset" exits 74
THAW_KEEP=1 run "$thaw" train --data d --out r
check "a bad value in the environment" fails 64 "THAW_KEEP=1"
show --checkpoint-every 600s
check "an interval in seconds" setting checkpoint-every 600s
show --checkpoint-every=500
check "an interval in steps, flags with =" setting checkpoint-every 500

config() { # config NAME CONTENT TEXT
	printf '%s\n' "$2" >c.yaml
	run "$thaw" train --data d --out r --config c.yaml
	check "$1" fails 78 "$3"
}
config "an unknown key" $'batch: 8\nlrr: 1' "c.yaml:2: lrr: did you mean lr?"
config "a list as a value" 'lr: [1, 2]' "c.yaml:1"
config "a list in a list" $'mean: [0.5, [1, 2], 0.5]' "not a single value: c.yaml:1"
config "two numbers for three channels" $'lr: 1\nstd: [0.5, 0.5]' "two numbers: --std 0.5,0.5"
config "an empty list" 'std: []' "an empty value: c.yaml:1: std"
config "a long list" "std: [$(printf '1,%.0s' {1..65})]" "more than 64 values: c.yaml:1"
config "a mapping as a value" $'lr:\n  a: 1' "c.yaml:2"
config "a list as the file" '- lr' "c.yaml:1"
printf 'mean: [0.5, 0.4, 0.3]\nstd:\n- 0.2\n- 0.25\n- 0.3\n' >c.yaml
show --config c.yaml
check "a list for a flag of several numbers" eval 'setting mean "0.5,0.4,0.3 +\(c.yaml:1\)" && setting std "0.2,0.25,0.3 +\(c.yaml:2\)"'
config "a bad value" $'\nlr: abc' "c.yaml:2: lr: abc"
config "a key without a value" 'lr:' "c.yaml:1"
config "a duplicate key" $'lr: 1\nlr: 2' "c.yaml:2"
config "not YAML" 'lr: {' "not YAML"
config "a binary file" $'\x01\x02' "c.yaml"
config "a configuration file that names another one" 'config: c.yaml' "config"
run "$thaw" train --data d --out r --config none.yaml
check "a missing configuration file" fails 74 "none.yaml"
: >c.yaml
run "$thaw" train --data nowhere --out r --config c.yaml
check "an empty configuration file" exits 74

# Files that are not networks.
run "$thaw" inspect nothing.pth
check "a missing model" fails 74 "nothing.pth"
run "$thaw" predict --model nothing.safetensors a.png
check "predict with a missing model" fails 74 "nothing.safetensors"
for name in model.pth model.safetensors; do
	printf 'PK\003\004 not much' >$name
	run "$thaw" inspect $name
	check "a truncated $name" fails 65 "$name"
	: >$name
	run "$thaw" export $name --safetensors o.safetensors
	check "an empty $name" fails 65 "$name"
	check "... and nothing is written" test ! -e o.safetensors
done
printf '\377\377\377\377\377\377\377\177{}' >huge.safetensors
run "$thaw" inspect huge.safetensors
check "a header longer than the file" fails 65 "huge.safetensors"
printf 'no frame' >step-1.safetensors.zst
run "$thaw" inspect step-1.safetensors.zst
check "a file that is not a checkpoint" fails 65 "step-1.safetensors.zst"

run "$thaw" doctor
check "doctor" prints sgemm advice
# An OpenBLAS older than the processor falls back to SSE3 kernels. The setting of the user is kept.
run env -u OPENBLAS_CORETYPE "$thaw" doctor
check "doctor: no SSE3 kernels on a processor with AVX2" eval 'exits 0 && { ! grep -qw avx2 /proc/cpuinfo || ! grep -q "kernel .*Prescott" out; }'
run env OPENBLAS_CORETYPE=Nehalem "$thaw" doctor
check "doctor: kernels selected by the user" eval 'exits 0 && { [ "$(uname -m)" != x86_64 ] || grep -q "kernel .*Nehalem" out; }'
OMP_NUM_THREADS=8 run mpirun -n 2 "$thaw" doctor --json
check "doctor with two ranks" eval 'exits 0 && [ "$(member ranks)" -eq 2 ] && [ "$(wc -l <out)" -eq 1 ]'
check "doctor advises on threads" out_has "OMP_NUM_THREADS is 8 with 2 ranks"
run mpirun -n 2 "$thaw" doctor --out "$work/not/yet"
check "doctor lists the nodes" eval 'exits 0 && grep -q "^  $(hostname | cut -c 1-16) *2 .* equal .* yes .* yes " out'
run "$thaw" doctor --out /proc/not/yet
check "doctor: a directory that is not writable" prints "files cannot be written: /proc/not/yet"

# Launches that waste cores or start many jobs in place of one. More ranks than cores are intended in these tests.
ranks=$(($(nproc) + 1))
run env OMPI_MCA_rmaps_base_oversubscribe=0 mpirun --host "localhost:$ranks" -n $ranks "$thaw" eval --model builtin --data /none
check "more ranks than cores: a warning" eval 'err_has "warning: $ranks ranks share the $(nproc) core" &&
	[ "$(grep -c "^warning: " err)" -eq 1 ]'
run mpirun -n $ranks "$thaw" eval --model builtin --data /none
check "more ranks than cores on request: no warning" eval '! err_has warning:'
run "$thaw" eval --model builtin --data /none --threads 1000
check "more threads than cores: a warning" err_has "warning: 1000 BLAS threads for each rank, but"
FLUX_JOB_SIZE=3 FLUX_TASK_RANK=0 run "$thaw" eval --model builtin --data /none
check "three processes without an MPI" fails 78 "MPI sees 1 of 3 ranks: started by flux run" "use flux run -o pmi=pmix -n 3 thaw ..."
FLUX_JOB_SIZE=3 FLUX_TASK_RANK=1 run "$thaw" eval --model builtin --data /none
check "three processes without an MPI: said once" eval '[ $code -eq 78 ] && [ ! -s err ]'
PBS_TASKNUM=2 run "$thaw" eval --model builtin --data /none
check "a process that pbsdsh started: a warning" err_has "warning: this process is not a rank of a job: started by pbsdsh"
run bash -c '"$0" doctor >/dev/full' "$thaw"
check "a result that cannot be written" exits 74 "stdout"

finish
