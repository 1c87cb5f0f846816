#!/bin/bash
# The contract "same bits": runs on 1, 2, 3, 4 and 7 ranks, and runs killed during an epoch and resumed on another
# number of ranks, end with the same model.safetensors and the same metrics. Usage: same_bits.sh BUILD
set -u
thaw=$(realpath "$1")/thaw
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist

ok() { echo "ok $1"; }
not_ok() { echo "not ok $1" && failed=1; }
check() { if "${@:2}"; then ok "$1"; else not_ok "$1"; fi; }
failed=0
if [ ! -d $data ]; then
	echo "ok same bits # SKIP no $data"
	exit 0
fi

# 203 training images over 7 lanes: lanes, batches and the last step are all uneven.
args=(train --data "$data" --model cifar_resnet8 --unfreeze all --bn lane --size 16 --per-class 21 --lanes 7
	--batch 30 --epochs 3 --head-epochs 1 --jitter 0.3 --label-smoothing 0.1 --eval-every 2 --lr 0.05)
train() { # RANKS OUT FLAGS...
	mpirun --oversubscribe -np "$1" "$thaw" "${args[@]}" --out "$2" "${@:3}" >>"$2.log" 2>&1
}
bits() { sha256sum <"$1/model.safetensors" 2>/dev/null || echo "none: $1"; }
# The metrics without the times.
metrics() { sed 's/"seconds": *[0-9.e+-]*//' "$1/metrics.jsonl" 2>/dev/null || echo "none: $1"; }
steps() { if [ -e "$1/metrics.jsonl" ]; then grep -c '"event": *"step"' "$1/metrics.jsonl"; else echo 0; fi; }

train 1 "$work/r1"
check "one rank ends" test -s "$work/r1/model.safetensors"
for ranks in 2 3 4 7; do
	train $ranks "$work/r$ranks"
	check "$ranks ranks: the same weights" test "$(bits "$work/r$ranks")" = "$(bits "$work/r1")"
	check "$ranks ranks: the same metrics" test "$(metrics "$work/r$ranks")" = "$(metrics "$work/r1")"
done
train 8 "$work/r8"
check "more ranks than lanes: exit 78" test $? -eq 78
check "more ranks than lanes: one line" test "$(grep -c '^thaw: .*lanes' "$work/r8.log")" -eq 1

# killed RANKS STEPS VICTIM: runs until STEPS steps are done, then kills a rank ("rank") or mpirun ("mpirun").
killed() {
	train "$1" "$work/k" --checkpoint-every 1 &
	local launcher=$! start
	for ((i = 0; i < 12000; i++)); do
		[ "$(steps "$work/k")" -ge "$2" ] && break
		sleep 0.05
	done
	start=$SECONDS
	if [ "$3" = rank ]; then
		pkill -KILL -n -f "$work/k" # the newest process is a rank
	else
		pkill -KILL -o -f "mpirun.*$work/k"
	fi
	wait $launcher
	check "$3 killed after step $2: the job fails" test $? -ne 0
	check "$3 killed after step $2: soon" test $((SECONDS - start)) -le 600
	for ((i = 0; i < 12000; i++)); do
		pgrep -f "$thaw .*$work/k" >/dev/null || break
		sleep 0.05
	done
	check "$3 killed after step $2: no rank is left" eval "! pgrep -f '$thaw .*$work/k' >/dev/null"
	check "$3 killed after step $2: not done yet" test ! -e "$work/k/model.safetensors"
}
killed 2 3 rank
killed 3 10 mpirun
killed 4 17 rank
train 1 "$work/k"
check "killed three times and resumed on other rank counts: the same weights" test "$(bits "$work/k")" = "$(bits "$work/r1")"
check "killed three times and resumed on other rank counts: the same metrics" test "$(metrics "$work/k")" = "$(metrics "$work/r1")"

# Feature caches do not change bits: two views over 4 epochs with the cache off, on, too small, and in files that a
# second start on another rank count reuses. A run that was killed resumes with an empty cache.
args=(train --data "$data" --model cifar_resnet8 --unfreeze last:1 --size 16 --per-class 21 --lanes 7 --batch 30
	--epochs 4 --views 2 --lr 0.05 --eval-every 2)
train 1 "$work/off" --cache off
train 2 "$work/on"
train 3 "$work/small" --cache 200K
train 2 "$work/files1" --cache-dir "$work/features"
train 3 "$work/files2" --cache-dir "$work/features"
for kind in on small files1 files2; do
	check "feature cache ($kind): the same weights" test "$(bits "$work/$kind")" = "$(bits "$work/off")"
	check "feature cache ($kind): the same metrics" test "$(metrics "$work/$kind")" = "$(metrics "$work/off")"
done
check "feature cache: one file per lane and split" test "$(find "$work/features" -type f | wc -l)" -eq 14
rm -rf "$work/k" "$work/k.log"
killed 2 5 rank
train 3 "$work/k"
check "killed and resumed with an empty cache: the same weights" test "$(bits "$work/k")" = "$(bits "$work/off")"
train 1 "$work/half" --cache-dtype f16
check "half precision gives another result" test "$(bits "$work/half")" != "$(bits "$work/off")"

# A node has one copy of frozen weights; without node memory each rank has its own, and no bit changes. To prevent node
# memory, the file size is limited to 1.4 MB: only the folded and packed weights are larger.
args=(train --data "$data" --model cifar_resnet8 --unfreeze head --size 16 --per-class 21 --lanes 7 --epochs 2 --lr 0.05
	--eval-every 2)
apart() { # RANKS OUT
	mpirun --oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo -np "$1" \
		bash -c 'ulimit -f 1400; exec "$@"' - "$thaw" "${args[@]}" --out "$2" >>"$2.log" 2>&1
}
# In separate containers ranks have other process ids: /proc/PID paths of another rank do not exist or are of others.
contained() { # RANKS OUT
	mpirun --oversubscribe --mca btl self,tcp --mca btl_tcp_if_include lo -np "$1" \
		unshare -rpf --mount-proc "$thaw" "${args[@]}" --out "$2" >>"$2.log" 2>&1
}
logged() { grep -c "the ranks of a node hold separate copies of the frozen weights: .*$2" "$1.log"; }
train 1 "$work/h1"
train 4 "$work/h4"
apart 3 "$work/apart"
check "weights shared on the node: the same weights" test "$(bits "$work/h4")" = "$(bits "$work/h1")"
check "weights shared on the node: nothing logged" test "$(logged "$work/h4" '')" -eq 0
check "weights that cannot be shared: the same weights" test "$(bits "$work/apart")" = "$(bits "$work/h1")"
check "weights that cannot be shared: the same metrics" test "$(metrics "$work/apart")" = "$(metrics "$work/h1")"
check "weights that cannot be shared: logged once" test "$(logged "$work/apart" fallocate)" -eq 1
if unshare -rpf --mount-proc true 2>/dev/null; then
	contained 3 "$work/contained"
	check "ranks in containers: the same weights" test "$(bits "$work/contained")" = "$(bits "$work/h1")"
	check "ranks in containers: logged once" test "$(logged "$work/contained" /proc/1/fd/)" -eq 1
else
	echo "ok ranks in containers # SKIP no namespaces for this user"
fi

# Without --lanes a run keeps the lanes of its first start: started on 12 ranks, continued on 2.
args=(train --data "$data" --model cifar_resnet8 --size 16 --per-class 10 --epochs 2 --eval-every 2)
mpirun --oversubscribe -np 12 "$thaw" "${args[@]}" --epochs 1 --out "$work/l" >"$work/l.log" 2>&1
check "lanes follow the ranks of the first start" grep -q '"lanes": 12' "$work/l/config.json"
rm -f "$work/l/result.json" "$work/l/model.safetensors"
train 2 "$work/l" --epochs 1
check "a run keeps its lanes on fewer ranks" test -s "$work/l/model.safetensors"
exit $failed
