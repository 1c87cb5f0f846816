#!/bin/bash
# Several hosts on one machine: network and host name namespaces, joined by a switch, with MPI over TCP. The same bits on
# one, two and four hosts; a link that is cut ends the job, which then resumes with the same bits.
# Usage: hosts.sh BUILD. Needs root, iproute2 and mpirun; skips without them.
#
# $RATE, such as 1gbit, limits each host's link. The namespaces share process numbers and /dev/shm, so MPI is told to use
# TCP only, and the ranks of "different" hosts do not share memory.
# Conditions are evaluated later, the trap calls functions, $FLAGS is several words:
# shellcheck disable=SC2016,SC2317,SC2086
set -u
thaw=$(realpath "$1")/thaw
data=/usr/share/datasets/fashion-mnist # Debian's package dataset-fashion-mnist
PATIENCE=300                           # seconds for anything that ends

skip() {
	echo "ok hosts # SKIP $1"
	exit 0
}
for program in ip mpirun unshare; do
	type $program >/dev/null 2>&1 || skip "no $program"
done
[ "$(id -u)" -eq 0 ] || skip "namespaces need root"
[ -d $data ] || skip "no $data"

failed=0
check() { # check NAME CONDITION...
	local what=$1
	if "${@:2}"; then
		echo "ok hosts, $what"
	else
		echo "not ok hosts, $what (see $work)"
		failed=1
	fi
}
wait_until() { # wait_until SECONDS CONDITION
	local end=$((SECONDS + $1))
	until eval "$2"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

work=$(mktemp -d /tmp/thaw-hosts-XXXXXX)
cd "$work" || exit 1
space=thaw$$ # the namespaces are $space-0 (the switch) and $space-1 ...
HOSTS=4
cleanup() {
	local h
	for ((h = 0; h <= HOSTS; h++)); do ip netns del "$space-$h" 2>/dev/null; done
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT

within() { ip netns exec "$space-$1" "${@:2}"; } # within HOST COMMAND...
link() { within 0 ip link set "port$1" "$2"; }   # link HOST up|down

make_hosts() {
	local h
	ip netns add "$space-0" && within 0 ip link add switch type bridge && within 0 ip link set switch up || return 1
	for ((h = 1; h <= HOSTS; h++)); do
		ip netns add "$space-$h" || return 1
		within 0 ip link add "port$h" type veth peer name eth0 netns "$space-$h" || return 1
		within 0 ip link set "port$h" master switch up
		within $h ip addr add 10.77.0.$h/24 dev eth0
		within $h ip link set eth0 up
		within $h ip link set lo up
		if [ -n "${RATE:-}" ]; then
			within $h tc qdisc add dev eth0 root tbf rate "$RATE" burst 256kbit latency 50ms
			within 0 tc qdisc add dev "port$h" root tbf rate "$RATE" burst 256kbit latency 50ms
		fi
	done
	# How mpirun starts a daemon on a host: AGENT ADDRESS COMMAND...
	cat >agent <<END
#!/bin/sh
host=\${1##*.}
shift
exec ip netns exec $space-\$host unshare --uts sh -c "hostname host\$host; \$*"
END
	chmod +x agent
}

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OPENBLAS_NUM_THREADS=1
# on_hosts N RANKS COMMAND...: RANKS ranks on each of N hosts
on_hosts() {
	local n=$1 ranks=$2 h list=
	shift 2
	for ((h = 1; h <= n; h++)); do list+=${list:+,}10.77.0.$h:$ranks; done
	within 1 unshare --uts sh -c 'hostname host1; exec "$@"' sh mpirun -np $((n * ranks)) --host "$list" \
		--mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca pml ob1 --mca btl_tcp_if_include 10.77.0.0/24 \
		--mca oob_tcp_if_include 10.77.0.0/24 --bind-to none --oversubscribe --mca mpi_yield_when_idle 1 "$@"
}

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

# members OUT: processes of the run, with mpirun and its daemons
members() { grep -lszF -e "$work/$1" /proc/[0-9]*/cmdline | cut -d / -f 3; }
# A link is cut in mid-run: the job ends by itself, and goes on when the link is there again.
cut_link() {
	local job cut
	FLAGS="$FLAGS --epochs 200 --eval-every 200"
	train "$work/long" >long.log 2>&1
	train "$work/cut" on_hosts 2 1 --timeout "${TIMEOUT:-30}" >cut.log 2>&1 &
	job=$!
	wait_until $PATIENCE 'grep -q "\"step\": *50[,}]" cut/metrics.jsonl 2>/dev/null'
	link 2 down
	cut=$SECONDS
	check "link cut: the job ends" wait_until $PATIENCE '! kill -0 '$job' 2>/dev/null'
	echo "# link cut: ended after $((SECONDS - cut)) s: $(grep '^thaw: ' cut.log | tail -n 1)"
	wait $job
	check "link cut: it fails" test $? -ne 0
	check "link cut: the log names the host" grep -q "^thaw: .*host[12]" cut.log
	check "link cut: no rank is left" wait_until 30 '[ -z "$(members cut)" ]'
	link 2 up
	train "$work/cut" on_hosts 2 1 >>cut.log 2>&1
	check "link cut: resumed: the weights of one process" cmp -s cut/model.safetensors long/model.safetensors
}
if "$thaw" train --help | grep -q -- "--timeout"; then
	cut_link
else
	echo "ok hosts, a link is cut # SKIP this thaw has no --timeout"
fi
exit $failed
