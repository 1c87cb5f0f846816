# The output of the tests in this folder. Source it and set $suite, a name, and $work, the folder of the test's files.
# shellcheck shell=bash disable=SC2154,SC2034 # $suite and $work; $failed is for the test
skip() { # skip WHY
	echo "ok $suite # SKIP $1"
	exit 0
}

failed=0
check() { # check NAME CONDITION...
	local what=$1
	if "${@:2}"; then
		echo "ok $suite, $what"
	else
		echo "not ok $suite, $what (see $work)"
		failed=1
	fi
}
