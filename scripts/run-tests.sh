#!/bin/sh
# Run test programs one after the other; each one's output goes into a file beside it, and is shown if
# it fails. The last line counts the programs: "N passed, N failed". A program that has a simulated
# machine runs in each mode of its MMU that SIM_MODE names (see ports/sim/sim.h).
#
#     scripts/run-tests.sh PROGRAM...        TEST_TIMEOUT=900: seconds each run may take
set -u

root=$(dirname "$0")/..
passed=0 failed=0
export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp halt_on_error=1 second_deadlock_stack=1 ${TSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}"

for program in "$@"; do
	log=$program.log
	modes=none
	! grep -q OM_SIM_MODE "$program" || modes=${SIM_MODE:-x86}
	start=$(date +%s%N)
	for mode in $modes; do
		OM_SIM_MODE=$mode timeout "${TEST_TIMEOUT:-900}" "$program" >"$log" 2>&1
		status=$?
		[ "$status" = 0 ] || break
	done
	seconds=$(awk "BEGIN { printf \"%.1f\", ($(date +%s%N) - $start) / 1e9 }")
	if [ "$status" = 0 ]; then
		passed=$((passed + 1))
		echo "ok    $program (${seconds}s)"
	else
		failed=$((failed + 1))
		echo "FAIL  OM_SIM_MODE=$mode $program (${seconds}s, exit status $status), the end of $log:"
		tail -n 40 "$log" | sed 's/^/      /'
	fi
done

echo "$passed passed, $failed failed"
[ $failed = 0 ] && [ $passed != 0 ]
