#!/bin/bash
# Damaged files, full disks and wrong flags: one error message, the right exit code, and no lost data.
# Usage: test_bad_input.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
golden=$(realpath "$(dirname "$0")/../golden")
cd "$work" || exit 1

# refused NAME CODE TEXT... -- COMMAND...: the command fails with this message; with two ranks too if NAME ends in
# "(ranks)".
refused() {
	local name=$1 wanted=()
	shift
	while [ "$1" != -- ]; do wanted+=("$1") && shift; done
	shift
	run "$thaw" "$@"
	check "$name" fails_once "${wanted[@]}"
	if [[ $name == *"(ranks)" ]]; then
		run mpirun -np 2 "$thaw" "$@"
		check "$name, two ranks" fails_once "${wanted[@]}"
	fi
}

# An 8 x 8 PNG, gray or red.
gray=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAD0lEQVR42mMIwAEYhpYEAHIhPAETojrKAAAAAElFTkSuQmCC
red=iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mM4ISeHFTEMLQkAkL9BAc9woTwAAAAASUVORK5CYII=
# pictures FOLDER: 8 images of each of two classes to train on, 4 to test.
pictures() {
	mkdir -p "$1"/train/{dark,red} "$1"/test/{dark,red}
	for i in 1 2 3 4 5 6 7 8; do
		base64 -d <<<$gray | tee "$1/train/dark/$i.png" >"$1/test/dark/$((i / 2)).png"
		base64 -d <<<$red | tee "$1/train/red/$i.png" >"$1/test/red/$((i / 2)).png"
	done
	rm "$1"/test/*/0.png
}
pictures good
train=(train --model cifar_resnet8 --data good --size 8 --unfreeze last:1 --batch 8 --lanes 4 --epochs 2 --seed 3
	--scale-min 1 --lr 0.05 --bn lane --checkpoint-every 1)
same_weights() { cmp -s "$1/model.safetensors" "$2/model.safetensors"; }

# ---- Data ------------------------------------------------------------------------------------------

refused "no data folder (ranks)" 74 nowhere -- "${train[@]}" --data nowhere --out r
pictures holes && rm holes/train/red/*
refused "an empty class (ranks)" 65 holes/train/red -- "${train[@]}" --data holes --out r
pictures uneven && mkdir uneven/train/blue && cp uneven/train/red/1.png uneven/train/blue
refused "a class without test images" 65 blue test/ -- "${train[@]}" --data uneven --out r
refused "a class without test images, in eval" 65 blue -- eval --model cifar_resnet8 --data uneven --size 8
check "refused data leave no run directory" test ! -e r

pictures cut && head -c 50 good/train/red/1.png >cut/train/red/1.png && head -c 50 good/train/red/1.png >cut/test/red/1.png
run "$thaw" "${train[@]}" --data cut --out cut-run --json
check "a damaged image is skipped" eval 'exits 0 && [ "$(grep -c "^skipped: .*red/1.png" err)" -eq 2 ]'
check "each epoch reports it" test "$(grep -c 'epoch ./2: .*skipped: 1' err)" -eq 2
check "the result has the number of damaged images" reports damaged=1 training_damaged=1 images=7
run mpirun -np 2 "$thaw" "${train[@]}" --data cut --out cut-two
check "two ranks report it as often" eval 'exits 0 && [ "$(grep -c "^skipped: " err)" -eq 2 ] && same_weights cut-run cut-two'
run "$thaw" eval --model cut-run --data cut --json
check "eval reports and counts it" eval 'exits 0 "skipped: " && err_has red/1.png && [ "$(member damaged)" = 1 ] && [ "$(member images)" = 7 ]'

pictures lost && for i in lost/train/red/*; do echo damaged >"$i"; done
refused "a class with only damaged images (ranks)" 65 '"red"' lost -- "${train[@]}" --data lost --out lost-run
check "each of its images is reported" test "$(grep -c '^skipped: .*red/' err)" -eq 8
pictures untested && for i in untested/test/red/*; do echo damaged >"$i"; done
run "$thaw" "${train[@]}" --data untested --out untested-run
check "a class without intact test images is reported, and the run continues" exits 0 '"red" is not measured'
for i in untested/test/dark/*; do echo damaged >"$i"; done
refused "eval without an intact image" 65 "none of the 8 images" -- eval --model untested-run --data untested

# ---- Weights ---------------------------------------------------------------------------------------

refused "a missing model (ranks)" 74 none.pth -- "${train[@]}" --model none.pth --out r
for form in zip stream; do
	size=$(stat -c %s "$golden/weights_$form.pth")
	for bytes in 0 1 100 $((size / 2)) $((size - 1)); do
		head -c "$bytes" "$golden/weights_$form.pth" >short.pth
		refused "$form .pth cut to $bytes bytes" 65 short.pth -- inspect short.pth
	done
	refused "${form/zip/zip archive}: trained on when cut" 65 short.pth -- "${train[@]}" --model short.pth --out r
done
for file in weights_evil weights_evil_stream; do
	refused "$file.pth calls os.system" 65 $file.pth system -- inspect "$golden/$file.pth"
done
header='{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}'
{ printf '%b' "\\x$(printf %02x ${#header})\\0\\0\\0\\0\\0\\0\\0" && printf '%s' "$header" && head -c 12 /dev/zero; } >over.safetensors
refused "overlapping tensors" 65 over.safetensors -- inspect over.safetensors
refused "weights of an unknown network (ranks)" 65 weights -- "${train[@]}" --model "$golden/weights.safetensors" --out r
check "refused weights leave no run directory" test ! -e r
mkdir -p three/{a,b,c} && for class in a b c; do cp good/train/red/[12].png three/$class; done
refused "a different number of classes (ranks)" 78 "2 classes" 3 -- eval --model cut-run --data three

# ---- Checkpoints -----------------------------------------------------------------------------------

# halted FOLDER: a run that ended before its last steps, with checkpoints of steps 3 and 4 of 4.
run "$thaw" "${train[@]}" --out whole
check "an uninterrupted run" exits 0
halted() {
	cp -r whole "$1"
	rm "$1"/result.json "$1"/model.safetensors
}
flip() { # one bit in the middle of a file
	local at=$(($(stat -c %s "$1") / 2)) byte
	byte=$(od -An -tu1 -j $at -N 1 "$1")
	printf '%b' "\\x$(printf %02x $((byte ^ 16)))" | dd of="$1" bs=1 seek=$at conv=notrunc status=none
}
checkpoints() { find "$1" -name 'step-*.safetensors.zst' | sort -r; }
halted bit
newest=$(checkpoints bit | head -n 1)
flip "$newest"
run "$thaw" "${train[@]}" --out bit
check "a flipped bit in a checkpoint" exits 0 "skipped: damaged checkpoint: $newest" "resumed at step"
check "... resumes from the previous one, with the same bits" same_weights bit whole
# A checkpoint that is whole but not of this run, or not where its name says, is passed over too.
# passed NAME WHY STEP: the run in `odd` names the entry with the reason and resumes at STEP (default 3).
passed() {
	run "$thaw" "${train[@]}" --out odd
	check "$1 is passed over" exits 0 "skipped: " "$2" "resumed at step ${3:-3} of 4"
	check "... and the bits are the same" same_weights odd whole
	rm -rf odd
	halted odd
}
run "$thaw" "${train[@]}" --unfreeze head --out other-cut
run "$thaw" "${train[@]}" --seed 4 --out other-seed
halted odd
cp "$(checkpoints odd | head -n 1)" odd/step-999999.safetensors.zst
run "$thaw" eval --model odd --from last --data good
check "such a copy is not evaluated" fails 65 "step-999999.safetensors.zst: it is of step 4"
passed "a copy under another name" "step-999999.safetensors.zst: it is of step 4" 4
cp other-cut/step-4.safetensors.zst odd/
passed "a checkpoint of another cut" "step-4.safetensors.zst: "
cp other-seed/step-4.safetensors.zst odd/
passed "a checkpoint of other weights" "step-4.safetensors.zst: the run was started from other weights"
cp odd/step-3.safetensors.zst odd/step-4.safetensors.zst
passed "a checkpoint of an earlier step" "step-4.safetensors.zst: it is of step 3"
ln -sf nowhere odd/step-4.safetensors.zst
passed "a dangling link" "cannot open: odd/step-4.safetensors.zst"
rm odd/step-4.safetensors.zst && mkfifo odd/step-4.safetensors.zst
passed "a FIFO" "not a regular file: odd/step-4.safetensors.zst"
cp other-seed/step-*.zst odd/
refused "checkpoints of other weights only (ranks)" 78 "does not fit" odd "give --model the file" -- "${train[@]}" --out odd
rm -r odd
halted ruin
checkpoints ruin | while read -r file; do flip "$file"; done
lines=$(wc -l <ruin/metrics.jsonl)
refused "checkpoints that are all damaged (ranks)" 65 "every checkpoint" ruin -- "${train[@]}" --out ruin
check "... are reported, and nothing is changed" eval \
	'[ "$(grep -c "skipped" err)" -eq "$(checkpoints ruin | wc -l)" ] && [ "$(wc -l <ruin/metrics.jsonl)" -eq $lines ]'
rm ruin/step-*
run "$thaw" "${train[@]}" --out ruin
check "... without them the run starts from the beginning" same_bytes ruin/model.safetensors whole/model.safetensors
halted record && echo '{"step":' >record/best.json
refused "a damaged record of the best checkpoint" 65 record/best.json -- "${train[@]}" --out record
halted config && echo '{"lr":' >config/config.json
refused "a damaged configuration" 65 config/config.json -- "${train[@]}" --out config

# ---- Disk ------------------------------------------------------------------------------------------

# no_larger_than FILE OUT: a run with a file size limit just below the size of FILE.
no_larger_than() {
	local kb=$(($(stat -c %s "$1") / 1024 - 8))
	run bash -c "ulimit -f $kb; exec \"\$@\"" - "$thaw" "${train[@]}" --out "$2"
}
no_larger_than "$(checkpoints whole | head -n 1)" limited
check "checkpoints that cannot be written are reported, and the run continues" eval \
	'exits 0 "checkpoint not written" && err_has limited/step-2 && err_has limited/step-4 && same_weights limited whole'
no_larger_than whole/model.safetensors small
check "a model that cannot be written" fails_once 74 small/model.safetensors
check "... the run does not count as complete" test ! -e small/result.json
check "... no partial file remains" test -z "$(find small -name '*.tmp' -o -name 'step-*')"
run "$thaw" "${train[@]}" --out small
check "... with space again, the same bits" same_bytes small/model.safetensors whole/model.safetensors

# A full disk: a separate file system in a namespace, where mounting needs no privileges.
mkdir disk
full=$(checkpoints whole | head -n 1)
in_namespace='
	set -u
	thaw=$1 && shift
	mount -t tmpfs -o size=$((SIZE_KB + 8000))k none disk || exit 200
	cp -r halted disk/run && cp -r halted kept || exit 201
	head -c 64M /dev/zero >disk/fill 2>/dev/null
	truncate -s -${FREE_KB}K disk/fill
	"$thaw" "$@" --out disk/run 2>err >out
	echo $? >full.code
	for file in kept/step-*; do cmp "$file" "disk/run/${file#kept/}" >>lost 2>&1; done
	cp -r disk/run seen && rm disk/fill
	"$thaw" "$@" --out disk/run 2>again.err >again.out
	echo $? >again.code
	cp disk/run/model.safetensors again.safetensors
'
# fill FREE_KB STEPS: resumes a halted run that has the checkpoints of these steps with FREE_KB of space, and then again
# with enough.
fill() {
	rm -rf kept seen lost full.code again.* halted
	halted halted
	find halted -name 'step-*.zst' ! -name "step-[$2].*" -delete
	command="a disk with $1 kB free"
	SIZE_KB=$(du -sk halted | cut -f 1) FREE_KB=$1 timeout 3000 unshare -rm bash -c "$in_namespace" - "$thaw" "${train[@]}" 2>mount.err
	mounted=$?
	code=$(cat full.code 2>/dev/null || echo 200)
}
fill 16 3
if [ $mounted -ge 200 ] || grep -q '^unshare' mount.err; then
	skip "a full disk" "no permission to mount in a namespace"
else
	check "a full disk: the checkpoint is reported, and the exit code is 74" eval \
		'fails_once 74 "No space left" && err_has "not written" "cannot write: disk/run/step-4" "warning: little space" "after the last step could not be saved either"'
	check "... the earlier checkpoints are intact" test ! -s lost
	check "... no partial file remains" eval '[ -z "$(find seen -name "*.tmp")" ] && [ ! -e seen/result.json ]'
	check "... with space again, the same bits" eval '[ "$(cat again.code)" -eq 0 ] && cmp -s again.safetensors whole/model.safetensors'
	fill 16 23
	check "a full disk: older checkpoints make room" exits 0 "the disk is full: older checkpoints removed: 2: --out disk/run"
	check "... with the same bits" cmp -s seen/model.safetensors whole/model.safetensors
fi

halted full-model
mkdir full-model/model.safetensors # a path that cannot be replaced, like a disk that becomes full at the last moment
refused "the model cannot be written (ranks)" 74 full-model/model.safetensors -- "${train[@]}" --out full-model
check "... the run does not count as complete" test ! -e full-model/result.json
rmdir full-model/model.safetensors
run "$thaw" "${train[@]}" --out full-model
check "... and the next start finishes it" same_bytes full-model/model.safetensors whole/model.safetensors

# ---- Runs ------------------------------------------------------------------------------------------

refused "weights that become NaN (ranks)" 78 "not finite" "--lr 10" -- "${train[@]}" --lr 10 --weight-decay 1 --epochs 200 --checkpoint-every 0 --out wild
check "... are not saved" eval '[ ! -e wild/model.safetensors ] && [ ! -e wild/result.json ]'
refused "a run directory with other flags (ranks)" 78 "lr 0.05" 0.06 -- "${train[@]}" --lr 0.06 --out whole
touch file
refused "a run directory that is a file" 74 file -- "${train[@]}" --out file
halted deaf && rm deaf/step-* deaf/metrics.jsonl && mkdir deaf/metrics.jsonl
run "$thaw" "${train[@]}" --out deaf
check "metrics that cannot be written are reported, and the run continues" eval \
	'exits 0 "metrics are not written" "lines of metrics.jsonl that could not be written: 6" && same_weights deaf whole'
refused "--resume never on a run" 78 "--resume never" whole -- "${train[@]}" --out whole --resume never
run flock whole/.lock "$thaw" "${train[@]}" --out whole
check "a second job in the run directory" fails_once 78 "another job" whole
run unshare -rm bash -c 'mount -t tmpfs none disk && mount -o remount,ro disk || exit 200; exec "$@"' - "$thaw" "${train[@]}" --out disk
if [ $code -eq 200 ] || err_has "unshare: "; then
	skip "a read-only run directory" "no permission to mount in a namespace"
else
	check "a read-only run directory" fails_once 74 disk/.lock
fi
check "the run is unchanged" test -s whole/result.json

# ---- Pipes and devices in place of files ------------------------------------------------------------

# Nothing waits for a writer or reads a device to its end. swap FILE: the file becomes a pipe; swap back restores it.
swap() { mv "$1" "$1.kept" && mkfifo "$1"; }
back() { mv -f "$1.kept" "$1"; }
run "$thaw" "${train[@]}" --out piped --keep 5
cp piped/model.safetensors piped.safetensors
newest=$(cd piped && find . -name 'step-*.zst' | sort -V | tail -n 1)
for file in config.json best.json metrics.jsonl "$newest"; do
	mv piped/result.json piped.result
	swap "piped/$file"
	run "$thaw" "${train[@]}" --out piped --keep 5
	if [ "$file" = "$newest" ]; then
		check "a checkpoint that is a pipe is passed over" eval 'exits 0 "a pipe, not a regular file: piped/step-" &&
			cmp -s piped.safetensors piped/model.safetensors'
	else
		check "$file is a pipe" err_has "pipe" "piped/$file"
	fi
	back "piped/$file"
	mv piped.result piped/result.json
done
mkfifo pipe pipe.onnx pipe.yaml
pictures pipes && mkfifo pipes/train/red/9.png
mkdir hub idx && sed "s/\"thaw\./\"none./g" piped.safetensors >hub/model.safetensors && mkfifo hub/preprocessor_config.json
idx idx/train 20 && idx idx/t10k 20 && rm -f idx/train-images* && mkfifo idx/train-images-idx3-ubyte
pipe() { # NAME COMMAND...
	local name=$1
	run "$thaw" "${@:2}"
	check "$name is a pipe" eval '[ $code = 65 ] && err_has "a pipe, not a regular file: "'
}
pipe "the image" predict --model piped pipe
pipe "the weights" inspect pipe
pipe "the ONNX file" inspect pipe.onnx
pipe "the configuration" train --config pipe.yaml
pipe "the plan" train --data good --plan pipe
pipe "the preprocessing" inspect hub/model.safetensors
pipe "the IDX file" eval --model piped --data idx --split train
swap piped/result.json
pipe "the result" "${train[@]}" --out piped --keep 5
back piped/result.json
swap piped/model.safetensors
pipe "the trained network" "${train[@]}" --out piped --keep 5
back piped/model.safetensors
mkdir begun && mkfifo begun/result.json
pipe "the result of a new run" "${train[@]}" --out begun
check "... which has not trained" test ! -e begun/metrics.jsonl
run "$thaw" "${train[@]}" --data pipes --out pipes.run
check "pipes among images are passed over" exits 0 "pipes, sockets or devices"
run "$thaw" inspect /dev/zero
check "a device as weights" fails 65 "a device, not a regular file: /dev/zero"
run bash -c "'$thaw' train --data nowhere --out x --config <(echo 'epochs: 3')"
check "a pipe of the shell is read" fails_once 74 nowhere

finish
