#!/bin/sh
# Runs one test program. Usage: tests/run_one.sh LOG COMMAND...
# Its output goes to LOG, its exit code and the seconds that it took to LOG.end.
limit=3600 # seconds, so that a hang becomes a failure; far more than any program needs on a busy machine
log=$1
shift
start=$(date +%s)
timeout "$limit" "$@" >"$log" 2>&1
echo $? $(($(date +%s) - start)) >"$log.end"
