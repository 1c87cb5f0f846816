#!/bin/bash
# Runs are interrupted at random moments, also while they start and save, and resumed on 1, 2, 3, 4 or 8 ranks until they
# are done. Each must end with the weights and metrics of an uninterrupted run. After each interruption, all ranks must
# end within 30 s, and in the end no temporary file may be left. An mpirun that stays is counted separately.
# Usage: kill_resume.sh BUILD EVENT=COUNT...
#   rank-KILL                 SIGKILL to a rank
#   rank-STOP                 SIGSTOP to a rank, for ever
#   rank-PAUSE                SIGSTOP to a rank, and SIGCONT after a second: the run goes on to its end
#   mpirun-KILL               SIGKILL to mpirun
#   mpirun-TERM, mpirun-USR1  a scheduler's signals: the run saves and ends with exit code 75
#   link-cut                  the network link of a host is cut; skipped without root and iproute2
#   link-keepalive            the same, where mpirun notices the loss before the ranks do, and ends too
#
# $SEED (printed) repeats the sequence of events, rank counts and delays; how far the training is by then depends on the
# machine. $KEEP_WORK keeps the folder of the runs; after a failure it is always kept.
# shellcheck disable=SC2317 # functions are called by the trap and through variables
set -u
# shellcheck source=tests/soak/runs.bash
. "$(dirname "$0")/runs.bash"
# shellcheck source=tests/cluster/hosts.bash
. "$here/../cluster/hosts.bash"
GONE=30      # seconds for all ranks to end after an event
PATIENCE=600 # seconds for a job without an event
TIMEOUT=3    # of thaw: seconds of silence
KEEPALIVE=(--mca oob_tcp_keepalive_time 1 --mca oob_tcp_keepalive_intvl 1 --mca oob_tcp_keepalive_probes 1)
space=thaw-soak$$

if [ ! -d "$source" ]; then
	rm -rf "$work"
	echo "ok kill and resume # SKIP no $source"
	exit 0
fi
seed=${SEED:-$((($(date +%s) * 31 + $$) % 32768))}
RANDOM=$seed
echo "# seed $seed, in $work"
cleanup() {
	kill_members
	drop_hosts
	[ -n "${KEEP_WORK:-}" ] || [ "$failed" -ne 0 ] || rm -rf "$work"
}
trap cleanup EXIT
declare -A left=() happened=() worst=() total=() unsaved=() faults=() hung=()
for argument in "${@:2}"; do
	event=${argument%=*}
	left[$event]=${argument#*=} happened[$event]=0 worst[$event]=0 total[$event]=0 unsaved[$event]=0 faults[$event]=0
	hung[$event]=0
done
events=("${!left[@]}")

# fault WHAT: counts and names it, and keeps the log of the start.
fault() {
	faults[$event]=$((${faults[$event]:-0} + 1))
	echo "not ok start $starts, $event on $size ranks: $1 (see $work/fault-$starts.log)"
	cp "$work/log" "$work/fault-$starts.log"
	failed=1
}

running() { kill -0 "$launcher" 2>/dev/null; }

events_left() {
	local name
	for name in "${events[@]}"; do [ "${left[$name]}" -eq 0 ] || return 0; done
	return 1
}

# Picks the next event in proportion to what is left of each; "none" when nothing is.
pick_event() {
	local sum=0 place
	event=none
	for name in "${events[@]}"; do sum=$((sum + left[$name])); done
	[ "$sum" -gt 0 ] || return
	place=$(((RANDOM * 32768 + RANDOM) % sum))
	for event in "${events[@]}"; do
		place=$((place - left[$event]))
		[ $place -ge 0 ] || break
	done
}

# Starts a job. The size is random; a single rank has no other that would notice silence.
launch() {
	local sizes=(1 2 3 4 8) shapes=("2 1" "2 2" "4 1" "4 2") hosts each launch
	size=${sizes[RANDOM % 5]}
	[[ $event != rank-STOP || $size -gt 1 ]] || size=2
	launch=(mpirun -q -np "$size")
	if [[ $event = link-* ]]; then
		read -r hosts each <<<"${shapes[RANDOM % 4]}"
		size=$((hosts * each)) host=$((RANDOM % hosts + 1))
		launch=(on_hosts "$hosts" "$each")
		[ "$event" = link-cut ] || launch+=("${KEEPALIVE[@]}")
	fi
	THAW_SOAK=$run "${launch[@]}" "$thaw" "${args[@]}" --epochs 6 --head-epochs 1 --eval-every 3 \
		--checkpoint-every $((RANDOM % 3 + 1)) --timeout $TIMEOUT --out "$run" >"$work/log" 2>&1 &
	launcher=$!
}

# One event in four is soon after the first rank has started, the others after some steps. False if the job has ended.
wait_for_moment() {
	local goal early=$((RANDOM % 4)) delay=$RANDOM end=$((SECONDS + PATIENCE))
	newest_step
	goal=$((step + RANDOM % 12 + 1))
	until find_ranks; do running && [ $SECONDS -lt $end ] && sleep 0.1 || return 1; done
	if [ $early -eq 0 ]; then
		nap $((delay % 1500))
	else
		until newest_step && [ "$step" -ge $goal ]; do running && [ $SECONDS -lt $end ] && sleep 0.02 || return 1; done
		nap $((delay % 100))
	fi
	find_ranks && running
}

# Does the event. False if the job has ended by then.
strike() {
	local victim=${ranks[RANDOM % ${#ranks[@]}]}
	case $event in
	mpirun-*) kill -"${event#*-}" "$launcher" ;;
	rank-PAUSE) kill -STOP "$victim" && sleep 1 && kill -CONT "$victim" ;;
	rank-*) kill -"${event#*-}" "$victim" ;;
	link-*) link "$host" down ;;
	esac 2>/dev/null
}

# From the event on: waits for the end of the ranks and of mpirun, and accounts for both.
await_end() {
	local since end took
	since=$(milliseconds)
	end=$((SECONDS + GONE))
	[ "$event" != rank-PAUSE ] || end=$((SECONDS + PATIENCE))
	while any_rank && [ $SECONDS -lt $end ]; do sleep 0.02; done
	took=$(($(milliseconds) - since))
	! any_rank || ranks_stay
	while must_end && [ $SECONDS -lt $end ]; do sleep 0.1; done
	! must_end || launcher_stays
	kill_members
	wait "$launcher"
	code=$?
	[ "$event" != rank-PAUSE ] || return
	total[$event]=$((total[$event] + took))
	[ $took -le "${worst[$event]}" ] || worst[$event]=$took
}
# Whether mpirun or a daemon of it has to end still. After a cut, those on either side wait for each other until TCP gives
# up, unless they have keepalives.
must_end() {
	case $event in
	link-cut) false ;;
	link-keepalive) running ;; # the daemon on the lost host has ended its ranks
	*) [ -n "$(members)" ] ;;
	esac
}
# A fault, unless a rank was stopped between the end of MPI and its own: then only mpirun waits for it.
ranks_stay() {
	if [ "$event" = rank-STOP ] && [ -e "$run/result.json" ]; then
		echo "# start $starts: a rank was stopped when the run was done"
		took=0
		return
	fi
	ps -o pid,stat,etimes,args -p "$(members | paste -sd,)" >>"$work/log"
	fault "ranks stay for $GONE s"
}
# All ranks have ended, and mpirun does not notice: it may wait for ever for a rank that was killed while it connected.
launcher_stays() {
	[[ $event != rank-STOP || ! -e $run/result.json ]] || return
	[ "$event" != link-keepalive ] || fault "mpirun stays for $GONE s"
	hung[$event]=$((hung[$event] + 1))
	echo "# start $starts, $event on $size ranks: mpirun or its daemons stay for $GONE s after all ranks: $(head -n 1 "$work/log")"
}

# None of the events may make the run refuse to continue. MPI may fail to start within its limit: exit code 71.
judge() {
	newest_step
	case $code in
	64 | 65 | 70 | 74 | 78) fault "exit code $code: $(grep '^thaw: ' "$work/log")" ;;
	71) grep -q '^thaw: MPI does not' "$work/log" || fault "exit code 71: $(grep '^thaw: ' "$work/log")" ;;
	esac
	[ -z "$(compgen -G "$run/*.tmp")" ] || unsaved[$event]=$((${unsaved[$event]:-0} + 1))
	{
		echo "=== start $starts: $size ranks, $event, exit code $code, step $step"
		cat "$work/log"
	} >>"$work/log.all"
}

# Whether mpirun has not started: on hosts whose link has been up again for a moment only.
not_started() {
	grep -q "ORTE was unable to reliably start one or more daemons" "$work/log" &&
		echo "# start $starts: mpirun did not reach all hosts"
}

# One job from start to end.
start() {
	starts=$((starts + 1))
	pick_event
	launch
	if [ "$event" != none ] && wait_for_moment && strike; then
		happened[$event]=$((happened[$event] + 1)) left[$event]=$((left[$event] - 1))
		await_end
	else
		event=none
		local end=$((SECONDS + PATIENCE))
		while running && [ $SECONDS -lt $end ]; do sleep 0.05; done
		! running || fault "hangs"
		kill_members
		wait "$launcher"
		code=$?
		[ $code -eq 0 ] || not_started || fault "exit code $code without an event"
	fi
	[ -z "${host:-}" ] || link "$host" up
	host=
	judge
}

# One run, to its end.
one_run() {
	local first=$((starts + 1)) before=$failed
	rm -rf "$run" "$work/log.all"
	failed=0
	until [ -e "$run/result.json" ] || [ $failed -ne 0 ]; do start 2>>"$work/bash.log"; done # bash reports killed jobs
	if [ $failed -eq 0 ]; then
		same "$run" "$work/unbroken" || { cp -r "$run" "$work/other-bits-$runs" && failed=1; }
		[ -z "$(compgen -G "$run/*.tmp")" ] || failed=1
		check "run $runs, starts $first to $starts: the uninterrupted run's weights and metrics, no temporary file" \
			test $failed -eq 0
	fi
	[ $failed -eq 0 ] || cp "$work/log.all" "$work/run-$runs.log"
	[ $before -eq 0 ] || failed=1
}

table() {
	local mean
	echo "# event        times  during a save  mean to exit (s)  worst (s)  faults  mpirun hangs"
	for event in $(printf '%s\n' "${events[@]}" | sort); do
		mean=$((happened[$event] > 0 ? total[$event] / happened[$event] : 0))
		printf '# %-12s %5d %14d %17s %10s %7d %13d\n' "$event" "${happened[$event]}" "${unsaved[$event]}" \
			"$(seconds $mean)" "$(seconds "${worst[$event]}")" "${faults[$event]}" "${hung[$event]}"
	done
	echo "# $runs runs, $starts starts, $SECONDS s"
}
seconds() { printf '%d.%02d' $(($1 / 1000)) $(($1 % 1000 / 10)); } # seconds MILLISECONDS

make_data
if [[ ${!left[*]} = *link-* ]] && ! { [ "$(id -u)" -eq 0 ] && make_hosts; } 2>"$work/hosts.log"; then
	echo "ok links are cut # SKIP no namespaces: $(tail -n 1 "$work/hosts.log")"
	left[link-cut]=0 left[link-keepalive]=0
fi
"$thaw" "${args[@]}" --epochs 6 --head-epochs 1 --eval-every 3 --out "$work/unbroken" >"$work/unbroken.log" 2>&1
check "an uninterrupted run" test -s "$work/unbroken/model.safetensors"
[ $failed -eq 0 ] || exit 1
runs=0 starts=0 event=
trap 'trap "" INT TERM; table; exit 1' INT TERM
while [ $runs -eq 0 ] || events_left; do
	runs=$((runs + 1))
	one_run
done
table
exit $failed
