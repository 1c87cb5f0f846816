#!/bin/bash
# The scripts for PBS, LSF and Grid Engine, under stand-ins for qsub, bsub and their companions that behave as the manuals
# say: how the script is started, which variables it finds, which signals it gets and when, and what its exit code does.
# Usage: test_schedulers.sh THAW
# shellcheck disable=SC2016,SC2034 # conditions are evaluated by check
# shellcheck source=tests/cli/lib.bash
. "$(dirname "$0")/lib.bash"
jobs=$(realpath "$(dirname "$0")/../../jobs")
cd "$work" || exit 1

mkdir images home tmp
PATH=$work/bin:$PATH
export STUBS=$work

# Perl, whose waiting loses no exit code when signals come.
perl() { stand_in "$1" /usr/bin/perl; } # perl NAME
# One rank, which gets USR1 when mpirun does, once it listens, and is killed when mpirun gets TERM.
perl mpirun <<'END'
sub starts { open(my $file, "<", "$ENV{STUBS}/starts") or return 0; my @lines = <$file>; return scalar @lines }
my $before = starts();
open(my $log, ">>", "$ENV{STUBS}/launched");
print $log "mpirun @ARGV\n";
close($log);
shift @ARGV while $ARGV[0] =~ m{^(-.*|[0-9]+|core|ppr:.*|.*/hosts)$};
$SIG{USR1} = $SIG{USR2} = sub { select(undef, undef, undef, 0.02) until starts() > $before; kill "USR1", $rank };
$SIG{TERM} = $SIG{INT} = sub { kill "KILL", $rank; exit 1 };
$rank = fork;
exec @ARGV unless $rank;
1 until waitpid($rank, 0) == $rank;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
END
# A run that is complete at its third start. The first two last until they are asked to save.
perl thaw <<'END'
sub add { open(my $file, ">>", "$ENV{STUBS}/$_[0]"); print $file "$_[1]\n"; close($file) }
$SIG{USR1} = sub { add("saves", "saved"); exit 75 };
$SIG{USR2} = "IGNORE";
add("starts", "running");
exit 0 if `wc -l <$ENV{STUBS}/starts` >= 3;
sleep 60;
exit 70;
END
wait_until() { # wait_until CONDITION: at most five minutes
	local i
	for ((i = 0; i < 15000; i++)); do
		eval "$1" && return
		sleep 0.02
	done
	return 1
}
lines() { if [ -e "$1" ]; then wc -l <"$1"; else echo 0; fi; }
clean() { rm -rf launched saves starts log queue jobs.* ended; mkdir queue; }
# directive PREFIX FLAG SCRIPT: the value of a flag in the script's directives
# after_start: returns when the run has started once more and listens to signals
cat >directive <<'END'
starts() { if [ -e "$STUBS/starts" ]; then wc -l <"$STUBS/starts"; else echo 0; fi; }
after_start() { while [ "$(starts)" -le "$before" ]; do sleep 0.02; done; }
directive() { sed -n "s/^#$1 $2 *//p" "$3" | head -n 1 | tr -d '"'; }
END

# ---- PBS ----
# The script is given to the login shell on stdin, in the home folder. qdel and the time limit: TERM to all processes.
stand_in qsub-pbs <<'END'
. "$STUBS/directive"
for script; do :; done # the last argument
[ -f "$script" ] || { echo "qsub: script file:: No such file or directory" >&2; exit 1; }
[ "$1" != -v ] || for name in ${2//,/ }; do passed+=("$name=${!name}"); done
number=$(($(ls "$STUBS/queue" | wc -l) + 1))
id=$number.server
cp "$script" "$STUBS/queue/$number"
printf '%s\n' n1 n1 n2 n2 >"$STUBS/hosts"
(
	cd "$STUBS/home"
	exec env -i PATH="$PATH" STUBS="$STUBS" HOME="$PWD" PBS_JOBID=$id PBS_O_WORKDIR="$OLDPWD" PBS_NODEFILE="$STUBS/hosts" \
		"${passed[@]}" setsid bash <"$STUBS/queue/$number" >>"$STUBS/log" 2>&1
) >/dev/null 2>&1 &
echo $! >"$STUBS/jobs.$number"
echo $id
END
stand_in qstat <<'END'
. "$STUBS/directive"
[ "$1" = -f ] || exit 1
printf 'Job Id: %s\n    Job_Name = thaw\n    Resource_List.ncpus = 64\n    Resource_List.walltime = %s\n' "$2" \
	"$(sed -n 's/^#PBS -l walltime=//p' "$STUBS/queue/${2%%.*}")"
END
ended() { ! kill -0 "$(cat "$1")" 2>/dev/null; } # ended FILE: the process whose number is in the file
export DATA=images OUT=run THAW=thaw SCRIPT=pbs.sh
cp "$jobs/pbs.sh" pbs.sh
cp bin/qsub-pbs bin/qsub
# Of four hours three seconds are left for the run.
clean
LEAD=14397 run qsub -v DATA,OUT,THAW,SCRIPT,LEAD pbs.sh
wait_until '[ "$(lines starts)" -ge 3 ] && ended jobs.3'
check "pbs: saved before each time limit and submitted again until the run is complete" \
	eval '[ "$(lines starts)" -eq 3 ] && [ "$(lines saves)" -ge 2 ] && [ ! -e queue/4 ]'
check "pbs: the log names the next job" file_has log "saved at the time limit; goes on as job 2.server" "job 3.server"
check "pbs: the command" grep -q "^mpirun --hostfile $work/hosts --bind-to core --map-by core thaw train --model builtin --data images --out run --unfreeze last:2$" launched
check "pbs: the settings are passed on" eval '[ "$(sort -u launched | wc -l)" -eq 1 ]'
clean
run qsub -v DATA,OUT,THAW,SCRIPT pbs.sh
wait_until '[ -e starts ]'
kill -TERM -- "-$(cat jobs.1)"
wait_until 'ended jobs.1'
check "pbs: not submitted again after qdel" eval '[ "$(lines starts)" -eq 1 ] && [ ! -e queue/2 ]'
clean
SCRIPT=elsewhere.sh run qsub -v DATA,OUT,THAW,SCRIPT pbs.sh
wait_until 'ended jobs.1'
check "pbs: the script is not where it says" eval 'file_has log "no such file: $work/elsewhere.sh: set SCRIPT" && [ ! -e starts ]'
clean
STAGE=$work/disk LEAD=14397 run qsub -v DATA,OUT,THAW,SCRIPT,LEAD,STAGE pbs.sh
wait_until '[ "$(lines starts)" -ge 3 ] && ended jobs.3'
check "pbs: images on the local disk" eval 'grep -q -- "--data $work/disk/thaw-1.server " launched && grep -q -- "--data $work/disk/thaw-3.server " launched'
check "pbs: the copies are removed" eval '[ -z "$(ls disk)" ]'

# ---- LSF ----
# bsub < SCRIPT. A warning signal to the process group -wt minutes before the limit, here as soon as the run has started;
# the job is requeued under the same number if it exits with a code of -Q. bkill sends INT, then TERM, then KILL.
stand_in bsub <<'END'
. "$STUBS/directive"
cat >"$STUBS/queue/1"
limit=$(directive BSUB -W "$STUBS/queue/1") early=$(directive BSUB -wt "$STUBS/queue/1")
minutes=$((${limit%%:*} * 60 + 10#${limit##*:} - early))
echo "$(directive BSUB -wa "$STUBS/queue/1") $minutes" >"$STUBS/warned"
printf '%s\n' n1 n1 n2 n2 >"$STUBS/hosts"
(
	while :; do
		before=$(starts)
		LSB_JOBID=7 LSB_DJOB_HOSTFILE=$STUBS/hosts setsid bash "$STUBS/queue/1" >>"$STUBS/log" 2>&1 </dev/null &
		job=$!
		echo $job >"$STUBS/jobs.1"
		[ $minutes -gt 300 ] || [ "$before" -ge 2 ] || { after_start; kill "-$(directive BSUB -wa "$STUBS/queue/1")" -- -$job; } 2>/dev/null &
		wait $job
		code=$?
		[[ " $(directive BSUB -Q "$STUBS/queue/1") " == *" $code "* ]] || break
	done
	echo $code >"$STUBS/ended"
) >/dev/null 2>&1 &
END
clean
bsub <"$jobs/lsf.sh"
command="bsub < lsf.sh"
check "lsf: saved at each warning and requeued until the run is complete" \
	eval 'wait_until "[ -e ended ]" && [ "$(cat ended)" -eq 0 ] && [ "$(lines starts)" -eq 3 ] && [ "$(lines saves)" -ge 2 ]'
check "lsf: USR1 two minutes before the end of four hours" eval 'grep -qx "USR1 238" warned'
check "lsf: the log says so" eval '[ "$(grep -c "saved; LSF puts the job back into the queue" log)" -eq 2 ]'
check "lsf: the command" grep -q "^mpirun --hostfile $work/hosts --bind-to core --map-by core thaw train --model builtin --data images --out run " launched
clean
sed 's/^#BSUB -W .*/#BSUB -W 100:00/' "$jobs/lsf.sh" >long.sh
bsub <long.sh
wait_until '[ -e starts ]'
kill -INT -- "-$(cat jobs.1)"
sleep 0.5
kill -TERM -- "-$(cat jobs.1)" 2>/dev/null
check "lsf: not requeued after bkill" eval 'wait_until "[ -e ended ]" && [ "$(lines starts)" -eq 1 ] && [ "$(cat ended)" -ne 75 ]'

# ---- Grid Engine ----
# USR1 to the process group at s_rt, here as soon as the run has started; exit code 99 requeues. qdel: USR2 because of -notify,
# then KILL.
stand_in qsub-sge <<'END'
. "$STUBS/directive"
for script; do :; done
cp "$script" "$STUBS/queue/1"
soft=$(sed -n 's/^#\$ -l .*s_rt=//p' "$script")
h=${soft%%:*}
printf '%s\n' "n1 2 all.q@n1 UNDEFINED" "n2 2 all.q@n2 UNDEFINED" >"$STUBS/pe"
(
	while :; do
		before=$(starts)
		JOB_ID=7 PE_HOSTFILE=$STUBS/pe NSLOTS=4 TMPDIR=$STUBS/tmp setsid bash "$STUBS/queue/1" >>"$STUBS/log" 2>&1 </dev/null &
		job=$!
		echo $job >"$STUBS/jobs.1"
		[ "$h" -gt 5 ] || [ "$before" -ge 2 ] || { after_start; kill -USR1 -- -$job; } 2>/dev/null &
		wait $job
		code=$?
		[ $code -eq 99 ] || break
	done
	echo $code >"$STUBS/ended"
) >/dev/null 2>&1 &
END
cp bin/qsub-sge bin/qsub
clean
qsub "$jobs/sge.sh"
command="qsub sge.sh"
check "sge: saved at the soft limit and requeued until the run is complete" \
	eval 'wait_until "[ -e ended ]" && [ "$(cat ended)" -eq 0 ] && [ "$(lines starts)" -eq 3 ] && [ "$(lines saves)" -ge 2 ]'
check "sge: the command" grep -q "^mpirun --hostfile $work/tmp/hosts -n 4 --bind-to core --map-by core thaw train --model builtin --data images --out run " launched
check "sge: the hosts" eval '[ "$(paste -sd , tmp/hosts)" = "n1 slots=2,n2 slots=2" ]'
clean
sed 's/s_rt=03:57:00/s_rt=90:00:00/' "$jobs/sge.sh" >long.sh
qsub long.sh
wait_until '[ -e starts ]'
kill -USR2 -- "-$(cat jobs.1)"
check "sge: saved, not requeued after qdel" \
	eval 'wait_until "[ -e ended ]" && [ "$(lines starts)" -eq 1 ] && [ "$(lines saves)" -ge 1 ] && [ "$(cat ended)" -eq 75 ]'

for script in pbs lsf sge; do
	DATA='' run bash "$jobs/$script.sh"
	check "$script: DATA is not set" eval '[ $code -ne 0 ] && err_has "set DATA"'
	run bash "$jobs/$script.sh"
	check "$script: not under the batch system" eval '[ $code -ne 0 ] && err_has "submit this script with"'
done
finish
