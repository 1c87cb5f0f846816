#!/bin/bash
# Several hosts on one machine: network and host name namespaces, joined by a switch, with MPI over TCP. The same bits on
# one, two and four hosts; a link that is cut ends the job, which then resumes with the same bits.
# Usage: hosts.sh BUILD. Needs root, iproute2 and mpirun; skips without them.
# Conditions are evaluated later, the trap calls functions, $FLAGS is several words:
# shellcheck disable=SC2016,SC2317,SC2086
set -u
thaw=$(realpath "$1")/thaw
here=$(realpath "$(dirname "$0")")
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
PATIENCE=300                           # seconds for anything that ends

suite=hosts
# shellcheck source=tests/cluster/check.bash
. "$here/check.bash"
for program in ip mpirun unshare; do
	type $program >/dev/null 2>&1 || skip "no $program"
done
[ "$(id -u)" -eq 0 ] || skip "namespaces need root"
[ -d $data ] || skip "no $data"

wait_until() { # wait_until SECONDS CONDITION
	local end=$((SECONDS + $1))
	until eval "$2"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

work=$(mktemp -d /tmp/thaw-hosts-XXXXXX)
cd "$work" || exit 1
space=thaw$$
# shellcheck source=tests/cluster/hosts.bash
. "$here/hosts.bash"
cleanup() {
	drop_hosts
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1

FLAGS="--model cifar_resnet8 --data $data --unfreeze all --bn lane --size 16 --per-class 21 --lanes 7 --batch 30 --epochs 3
	--head-epochs 1 --jitter 0.3 --label-smoothing 0.1 --eval-every 2 --lr 0.05"
train() { "${@:2}" "$thaw" train $FLAGS --out "$1"; } # train OUT LAUNCHER...

make_hosts 2>make.log || skip "namespaces cannot be made: $(tail -n 1 make.log)"
train one >one.log 2>&1
check "one process" test -s one/model.safetensors
on_hosts 4 1 "$thaw" doctor --out "$work" >doctor.log 2>&1
check "thaw doctor lists four hosts" test "$(grep -c '^  host[1-4]  *1 .* equal .* yes  *yes ' doctor.log)" -eq 4
for n in 2 4; do
	train "on-$n" on_hosts $n 1 >"on-$n.log" 2>&1
	check "$n hosts: the weights of one process" cmp -s "on-$n/model.safetensors" one/model.safetensors
done
train on-2x2 on_hosts 2 2 >on-2x2.log 2>&1
check "2 hosts of 2 ranks: the weights of one process" cmp -s on-2x2/model.safetensors one/model.safetensors

on_hosts 2 2 "$thaw" bench --reduce --model cifar_resnet8 --size 16 --batch 3 --steps 1 >reduce.log 2>&1
check "thaw bench --reduce knows the ranks of a host" grep -q "^reduction over 4 ranks, 2 per node: " reduce.log
check "thaw bench --reduce predicts 512 hosts" grep -qE "^ +1024 +512 " reduce.log

# ranks OUT: processes of the run
ranks() {
	grep -lszF -e "$work/$1" /proc/[0-9]*/cmdline | cut -d / -f 3 | while read -r pid; do
		[ "/proc/$pid/exe" -ef "$thaw" ] && echo "$pid"
	done
}
# cut_link N RANKS HOST: on N hosts of RANKS ranks, the link of HOST is cut in mid-run: the job ends by itself, and goes
# on when the link is there again. The ranks end within the timeout. mpirun waits for its daemon on the lost host, unless
# it notices the loss first: with $KEEPALIVE.
cut_link() {
	local job cut out=cut-$1x$2-$3${KEEPALIVE:+-keepalive} what="$1 hosts of $2, link $3 cut${KEEPALIVE:+, keepalive}"
	train "$work/$out" on_hosts "$1" "$2" $KEEPALIVE >"$out.log" 2>&1 &
	job=$!
	wait_until $PATIENCE "grep -q '\"step\": *50[,}]' $out/metrics.jsonl 2>/dev/null"
	link "$3" down
	cut=$SECONDS
	check "$what: all ranks end" wait_until $PATIENCE "[ -z \"\$(ranks $out)\" ]"
	echo "# $what: ended after $((SECONDS - cut)) s: $(grep '^thaw: ' "$out.log" | tail -n 1)"
	if [ -n "$KEEPALIVE" ]; then
		check "$what: mpirun ends" wait_until 30 "! kill -0 $job 2>/dev/null"
	else
		check "$what: the log names rank and host" grep -q "^thaw: .*rank [0-9]* on host host[1-4]" "$out.log"
	fi
	link "$3" up
	pkill -KILL -f "mpirun .*$work/$out( |$)"
	wait $job
	check "$what: it fails" test $? -ne 0
	train "$work/$out" on_hosts "$1" "$2" >>"$out.log" 2>&1
	check "$what: resumed: the weights of one process" cmp -s "$out/model.safetensors" long/model.safetensors
}
FLAGS="$FLAGS --epochs 20 --eval-every 20 --checkpoint-every 5 --timeout ${TIMEOUT:-30}"
train "$work/long" >long.log 2>&1
KEEPALIVE=
cut_link 2 1 2
cut_link 2 2 1
cut_link 4 1 3
KEEPALIVE="--mca oob_tcp_keepalive_time 2 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 3"
cut_link 2 1 2
cut_link 4 1 1
exit $failed
