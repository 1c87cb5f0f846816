# Functions to make several hosts on one machine: network and host name namespaces, joined by a switch, with MPI over TCP.
# Source it and set $space, a prefix of the namespaces' names, and $work, a folder for the agent. Needs root and iproute2.
#
# The namespaces are $space-0 (the switch) and $space-1 ... They share process numbers and /dev/shm, so MPI is told to use
# TCP only, and the ranks of "different" hosts do not share memory. $RATE, such as 1gbit, limits each host's link; $BURST
# is the bucket of tbf, which must grow with the rate.
# shellcheck shell=bash disable=SC2154 # $space and $work
HOSTS=4

within() { ip netns exec "$space-$1" "${@:2}"; } # within HOST COMMAND...
link() { within 0 ip link set "port$1" "$2"; }   # link HOST up|down

drop_hosts() {
	local h
	for ((h = 0; h <= HOSTS; h++)); do ip netns del "$space-$h" 2>/dev/null; done
}

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
			within $h tc qdisc add dev eth0 root tbf rate "$RATE" burst "${BURST:-256kbit}" latency 50ms
			within 0 tc qdisc add dev "port$h" root tbf rate "$RATE" burst "${BURST:-256kbit}" latency 50ms
		fi
	done
	# How mpirun starts a daemon on a host: AGENT ADDRESS COMMAND...
	cat >"$work/agent" <<END
#!/bin/sh
host=\${1##*.}
shift
exec ip netns exec $space-\$host unshare --uts sh -c "hostname host\$host; \$*"
END
	chmod +x "$work/agent"
}

# on_hosts N RANKS COMMAND...: RANKS ranks on each of N hosts
on_hosts() {
	local n=$1 ranks=$2 h list=
	shift 2
	for ((h = 1; h <= n; h++)); do list+=${list:+,}10.77.0.$h:$ranks; done
	# shellcheck disable=SC2016 # expanded by the shell within the namespace
	within 1 unshare --uts sh -c 'hostname host1; exec "$@"' sh mpirun -np $((n * ranks)) --host "$list" \
		--mca plm_rsh_agent "$work/agent" --mca btl tcp,self --mca pml ob1 --mca btl_tcp_if_include 10.77.0.0/24 \
		--mca oob_tcp_if_include 10.77.0.0/24 --bind-to none --oversubscribe --mca mpi_yield_when_idle 1 "$@"
}
