#!/bin/bash
# Faults in the file system calls of whole runs of thaw train: each call on the run directory ends the process, before it,
# after it or half-way through a write, or fails with ENOSPC, EIO, EDQUOT or ENOLCK. Afterwards the same command must
# finish the run with the weights of an undisturbed one, and files must have been made durable before they got their
# names. Usage: tests/faults/train.sh BUILD [STRIDE]
#
# With STRIDE, every STRIDE-th call is tried: 1 takes an hour. Without, only some calls, others in each run of the test.
# shellcheck disable=SC2016,SC2034,SC2086 # conditions are evaluated by check; $flags is several words
set -u
build=$(mkdir -p "$1" && cd "$1" && pwd)
stride=${2:-}
cc=${CC:-cc}
out=$build/tests/faults
flags="-std=c17 -D_GNU_SOURCE -O1 -g -Wall -Wextra"
mkdir -p "$out"
$cc $flags -shared -fPIC tests/faults/preload.c -o "$out/preload.so" -ldl || exit 1
# shellcheck source=tests/cli/lib.bash
. tests/cli/lib.bash "$build/thaw"
cd "$work" || exit 1

SAMPLES=3 # calls tried of each kind of fault
ENOSPC=28 EIO=5 EDQUOT=122 ENOLCK=37 ENOSYS=38 EOPNOTSUPP=95
KILLED=99 # the exit code of preload.c

mkdir data
idx data/train 24
idx data/t10k 4
train=(train --model cifar_resnet8 --data data --size 8 --unfreeze last:1 --batch 8 --lanes 2 --epochs 2 --head-epochs 1
	--seed 3 --scale-min 1 --lr 0.05 --bn lane --checkpoint-every 1)
# faulty AT DO: a new run with a fault at the AT-th call.
faulty() {
	rm -rf run log
	run env LD_PRELOAD="$out/preload.so" THAW_FAULT_FOLDER="$work/run" THAW_FAULT_LOG="$work/log" \
		THAW_FAULT_AT="$1" THAW_FAULT_DO="$2" "$thaw" "${train[@]}" --out "$work/run"
}
run "$thaw" "${train[@]}" --out whole
check "an undisturbed run" exits 0
faulty 0 none
check "... makes calls that can be counted" eval 'exits 0 && [ "$(wc -l <log)" -gt 100 ]'
calls=$(wc -l <log)
echo "# $calls calls"

# Each file: write, fsync, rename, fsync of its folder, in this order.
cat >order.awk <<'AWK'
$1 == "write" || $1 == "pwrite" { written[$2] = 1; synced[$2] = 0 }
$1 == "fsync" || $1 == "fdatasync" { synced[$2] = 1; if ($2 in waits) delete waits[$2] }
$1 == "rename" && $2 ~ /\.tmp$/ {
	if (!synced[$2]) { print "renamed before fsync: " $3; bad = 1 }
	folder = $3; sub(/\/[^\/]*$/, "", folder)
	if (folder in waits) { print "no fsync of the folder after " waits[folder]; bad = 1 }
	waits[folder] = $3; files++
}
END { for (f in waits) { print "no fsync of the folder after " waits[f]; bad = 1 } exit bad || files < 10 }
AWK
check "each file is durable before it gets its name, and then its name" awk -f order.awk log
check "... which is noticed if an fsync is missing" eval '! grep -v "^fsync .*step-2" log | awk -f order.awk >no'
check "... or that of the folder" eval '! grep -v "^fsync $work/run\$" log | awk -f order.awk >no'

whole() { cmp -s "$1/model.safetensors" whole/model.safetensors; }
# No checkpoint of the run is damaged, and the same command finishes it.
recovers() {
	local file
	for file in run/step-*.zst; do
		[ ! -e "$file" ] || "$thaw" inspect "$file" >inspected 2>&1 || return 1
	done
	timeout 3000 "$thaw" "${train[@]}" --out "$work/run" >again.out 2>again.err || return 1
	! grep -q 'skipped: ' again.err && whole run && [ -z "$(find run -name '*.tmp')" ]
}
# Calls to be tried; a sample is different in each run of the test.
numbers() {
	if [ -n "$stride" ]; then
		seq 1 "$stride" $((calls + 20)) # the checks of the lock depend on the time
	else
		for ((i = 0; i < SAMPLES; i++)); do echo $((RANDOM * calls / 32768 + 1)); done
	fi
}
for how in before half after; do
	for at in $(numbers); do
		faulty "$at" $how
		[ $code -eq 0 ] && [ "$(wc -l <log)" -lt "$at" ] && break
		check "killed $how call $at ($(sed -n "${at}p" log | cut -d ' ' -f 1)): the run recovers" eval '[ $code -eq $KILLED ] && recovers'
	done
done
for error in $ENOSPC $EIO $EDQUOT $ENOLCK; do
	for at in $(numbers); do
		faulty "$at" $error
		[ "$(wc -l <log)" -lt "$at" ] && break
		check "errno $error in call $at ($(sed -n "${at}p" log | cut -d ' ' -f 1)): reported, and the run recovers" eval \
			'{ [ $code -eq 0 ] || fails_once 74; } && recovers'
	done
done

# All ranks fail while rank 0 writes a checkpoint to a slow disk: they wait for it.
rm -rf run
run env LD_PRELOAD="$out/preload.so" THAW_FAULT_FOLDER="$work/run" THAW_FAULT_SLOW=8 mpirun -q --oversubscribe -np 2 \
	"$thaw" "${train[@]}" --out "$work/run" --head-epochs 0 --unfreeze all --bn frozen --lr 10 --momentum 0.99 \
	--warmup 0 --epochs 9 --checkpoint-every 2
check "a run that diverges while a checkpoint is written: one line, 78" eval '[ $code -eq 78 ] && [ "$(grep -c ^thaw: err)" = 1 ]'
check "... and the checkpoint is complete" eval '[ -e run/step-2.safetensors.zst ] && [ -z "$(find run -name "*.tmp")" ]'

# Locks that fail, as on Lustre without -o flock and NFS without lockd: a second job is refused all the same.
for error in $ENOLCK $ENOSYS $EOPNOTSUPP; do
	rm -rf run
	export LD_PRELOAD="$out/preload.so" THAW_FAULT_FLOCK=$error
	"$thaw" "${train[@]}" --epochs 100000 --eval-every 1000 --out run 2>first.err &
	first=$!
	until [ -e run/config.json ] || ! kill -0 $first; do sleep 0.1; done
	run "$thaw" "${train[@]}" --epochs 100000 --eval-every 1000 --out run
	check "locks that fail with errno $error: a second job is refused" fails_once 78 "another job uses this run directory" run
	kill -TERM $first
	wait $first
	code=$?
	cp first.err err
	check "... and the first one says how it is kept" exits 75 "no file locks"
	unset LD_PRELOAD THAW_FAULT_FLOCK
done
finish
