#!/bin/bash
# A run from end to end: train, stop, resume, evaluate, inspect, export. Usage: test_train.sh THAW
#
# The data are two classes of grey images, dark and bright, which any network separates. The network is the smallest
# family, with random weights.
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
cd "$work" || exit 1

mkdir data
idx data/train 64
idx data/t10k 22 # not a multiple of the numbers of lanes, ranks or batches

train=(train --model cifar_resnet8 --data data --size 16 --unfreeze all --batch 16 --lanes 4 --epochs 2 --seed 3
	--scale-min 1 --lr 0.05 --bn lane)
weights() { sha256sum <"$1/model.safetensors"; }

run "$thaw" "${train[@]}" --out run --json
check "train" reports status=done steps=8
check "train's result is one line" test "$(wc -l <out)" -eq 1
check "every test image counted once" test "$(member images)" = 22
check "the log has epochs" err_has "epoch 2/2"
check "no progress bar in a log" eval '! grep -q "$(printf "\r")" err'
check "the run has a model" test -s run/model.safetensors
check "metrics are JSON lines" eval '[ -s run/metrics.jsonl ] && ! grep -qv "^{.*}$" run/metrics.jsonl'
cp run/model.safetensors first.safetensors
trained_top1=$(member top1)

run "$thaw" "${train[@]}" --out run
check "the same command reports a complete run" eval 'exits 0 && err_has "done" && cmp -s run/model.safetensors first.safetensors'
check "the summary as text" out_has "done after 8 steps" "accuracy"
run "$thaw" "${train[@]}" --out run --resume never
check "--resume never keeps an existing run" eval '[ $code -ne 0 ] && cmp -s run/model.safetensors first.safetensors'

cp -r run moved && sed -i 's/"blas": "[^"]*"/"blas": "Other"/; s/"checksum"/"unsealed"/' moved/config.json
run "$thaw" "${train[@]}" --out moved
check "a machine with another BLAS kernel" exits 78 "BLAS kernel Other"
run "$thaw" "${train[@]}" --out moved --mixed-machines
check "a machine with another BLAS kernel, allowed" exits 0 "done"

run mpirun -n 2 "$thaw" "${train[@]}" --out two --json
check "two ranks, one result" eval 'exits 0 && [ "$(grep -c status out)" -eq 1 ]'
check "two ranks give the same bits" cmp -s two/model.safetensors first.safetensors
run mpirun -n 8 "$thaw" "${train[@]}" --out eight
check "more ranks than lanes" fails_once 78

# mpirun does not pass the environment to other nodes, so ranks may have different environments.
run mpirun -n 1 "$thaw" "${train[@]}" --out r : -n 1 env THAW_FLIP=0 "$thaw" "${train[@]}" --out r
check "ranks with different settings" exits 78 "--flip differs"
check "... and nothing is written" test ! -e r
run mpirun -n 1 "$thaw" "${train[@]}" --out r : -n 1 env THAW_FLIP=x "$thaw" "${train[@]}" --out r
check "a setting that is invalid on one rank" exits 64 "rank 1: not a number: THAW_FLIP=x"
check "... and nothing is written" test ! -e r
mkdir other
cp data/train* other && idx other/t10k 40
run mpirun -n 1 "$thaw" "${train[@]}" --out r : -n 1 "$thaw" "${train[@]}" --data other --out r
check "ranks with different test images" exits 78 "test images differs"
check "... and nothing is written" test ! -e r
run mpirun -n 1 "$thaw" eval --model run --data data : -n 1 "$thaw" eval --model run --data other
check "eval on ranks with different images" exits 78 "images differs"
run "$thaw" "${train[@]}" --out r --head-epochs 1 --unfreeze none
check "nothing to train after the head epochs" exits 64 "--unfreeze"
check "... and nothing is written" test ! -e r

run "$thaw" "${train[@]}" --out r --batch 2
check "a batch smaller than the lanes" exits 78 "--batch"
run "$thaw" "${train[@]}" --out r --unfreeze from:nowhere
check "an unknown block" exits 64 "nowhere"

# Stopped by a signal, and started again.
long=("${train[@]}" --epochs 30 --eval-every 30 --out stopped)
stop_at_step() { # sends USR1 to a run after it has written metrics of its first epochs
	"$thaw" "${long[@]}" >out 2>err &
	local program=$! i
	for ((i = 0; i < 30000; i++)); do
		[ "$(wc -l 2>/dev/null <stopped/metrics.jsonl)" -ge 3 ] 2>/dev/null && break
		sleep 0.02
	done
	kill -USR1 $program
	command="train, USR1"
	wait $program
	code=$?
}
stop_at_step
check "a stopped run saves and exits with 75" exits 75 "saved at step"
run "$thaw" "${long[@]}"
check "the same command resumes the run" exits 0 "resumed at step"
run "$thaw" "${long[@]}" --out unbroken
check "an interrupted run ends with the same bits" cmp -s stopped/model.safetensors unbroken/model.safetensors

# The end of the job is known: one step is done, if there is time for no more.
run "$thaw" "${long[@]}" --out limited --time-limit 0:05
check "a time limit stops the run" exits 75 "the job ends in 0:0" "(--time-limit)" "saved at step 1 of"
SLURM_JOB_END_TIME=$(($(date +%s) + 10)) run "$thaw" "${long[@]}" --out limited
check "Slurm's time limit stops the run" exits 75 "(SLURM_JOB_END_TIME)" "resumed at step 1" "saved at step 2 of"
PBS_WALLTIME=10 run "$thaw" "${long[@]}" --out limited
check "Torque's time limit stops the run" exits 75 "(PBS_WALLTIME)" "saved at step 3 of"
SLURM_JOB_END_TIME=$(($(date +%s) - 10)) run "$thaw" "${long[@]}" --out limited
check "an end in the past is ignored" exits 0 "resumed at step 3"
check "... and the run ends with the same bits" cmp -s limited/model.safetensors unbroken/model.safetensors
for limit in 0 0:00 1:2:3:4 x 1-x -1:0 9999999 ''; do
	run "$thaw" "${long[@]}" --out limited --time-limit "$limit"
	check "an invalid time limit: '$limit'" fails 64 "--time-limit"
done

run "$thaw" eval --model run --data data --json
check "eval counts each test image once" reports images=22
check "eval agrees with the training" test "$(member top1)" = "$trained_top1"
check "the result says what the training waited for checkpoints" eval \
	'tr -d "\n " <run/result.json | grep -qE "\"saves\":\{\"count\":[1-9][0-9]*,\"seconds\":[0-9.e-]+,\"longest\":[0-9.e-]+,\"processor_seconds\":"'
cp out one.json
run mpirun -n 3 "$thaw" eval --model run --data data --json
check "eval on three ranks has the same result" same_bytes out one.json
run "$thaw" eval --model run --data data --split train
check "eval of the training images, as text" prints "64 images" "top-1"
run "$thaw" eval --model alexnet --data nowhere
check "eval with missing data" fails 74 nowhere

# An 8 x 8 PNG.
base64 -d >red.png <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII=
END
head -c 50 red.png >cut.png
run "$thaw" predict --model run red.png --top 1
check "predict" eval 'exits 0 && out_has red.png && [ "$(wc -l <out)" -eq 2 ]'
run "$thaw" predict --model run cut.png red.png
check "predict continues after a damaged image" eval 'exits 65 cut.png && out_has red.png && ! out_has cut.png'
# A signal while the second of three images comes through a pipe: the first one is printed.
mkfifo pipe
(exec 4>pipe; until [ -e go ]; do sleep 0.05; done; cat red.png >&4) &
"$thaw" predict --model run red.png /dev/fd/3 red.png 3<pipe >out 2>err &
program=$!
# The shell that becomes the program may have the pipe twice, too.
opened() { [ /proc/$program/exe -ef "$thaw" ] && [ "$(find /proc/$program/fd -lname '*/pipe' 2>/dev/null | wc -l)" -ge 2 ]; }
until opened || ! kill -0 $program; do sleep 0.05; done
kill -USR1 $program
until grep -q 'asked to stop' err || ! kill -0 $program; do sleep 0.05; done
touch go
wait $program
code=$?
command="predict, USR1"
check "predict answers a signal" eval 'exits 75 "asked to stop: 1 of 3 images are done" && [ "$(grep -c "^red.png\|^/dev/fd/3" out)" = 1 ]'
run "$thaw" predict --model run none.png red.png --json
check "predict with a missing image" eval 'exits 74 none.png && out_has "\"failed\": [{\"image\": \"none.png\""'
run mpirun -n 2 "$thaw" predict --model run red.png --top 2
check "predict on two ranks prints once" eval 'exits 0 && [ "$(grep -c red.png out)" -eq 1 ] && [ "$(wc -l <out)" -eq 3 ]'

run "$thaw" inspect run
check "inspect" prints cifar_resnet8 parameters digest
run "$thaw" inspect run --json --layers
check "inspect --json --layers" eval 'exits 0 && [ "$(member variant)" = cifar_resnet8 ] && out_has "\"op\": \"conv\""'
checkpoint=$(find stopped -name 'step-*.safetensors.zst' | head -n 1)
run "$thaw" inspect "$checkpoint" --layers
check "inspect a checkpoint" prints tensors F32
head -c 200 "$checkpoint" >step-9.safetensors.zst
run "$thaw" inspect step-9.safetensors.zst
check "inspect a truncated checkpoint" fails 65 step-9

run "$thaw" export run --safetensors full.safetensors
check "export" exits 0
run "$thaw" export run --safetensors half.safetensors --half
check "export --half" eval 'exits 0 && [ "$(stat -c %s half.safetensors)" -lt "$(stat -c %s full.safetensors)" ]'
for form in full half; do
	run "$thaw" eval --model $form.safetensors --data data
	check "the $form export loads" prints "22 images"
done
run "$thaw" export run --safetensors nowhere/x.safetensors
check "export to a missing folder" fails 74 nowhere
for fold in "" --fold-bn; do
	run "$thaw" export run --onnx network.onnx $fold --verify data
	check "export --onnx $fold --verify" prints "logits differ by"
	run "$thaw" eval --model network.onnx --data data
	check "... and the exported file loads" prints "22 images"
done
run "$thaw" export run --onnx nowhere/x.onnx
check "export --onnx to a missing folder" fails 74 nowhere
run "$thaw" export run --onnx network.onnx --verify nowhere.png
check "export --verify with a missing image" fails 74 nowhere.png
run "$thaw" export run --onnx network.onnx --half
check "export --onnx --half" fails 64 "--half"
run "$thaw" export run --safetensors x.safetensors --fold-bn
check "export --safetensors --fold-bn" fails 64 "--fold-bn"
run "$thaw" export run
check "export without an output file" fails 64 "--onnx"

finish
